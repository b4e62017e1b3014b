package microvm

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/nex-engine/nex/internal/proctree"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
)

// snapshotPrefix begins the names of snapshots.
const snapshotPrefix = "snapshot-"

const (
	// maxSnapshots bounds the snapshots, each of which takes room on disk and in memory: machines of other kinds
	// boot.
	maxSnapshots = 4
	// maxFailures is how often in a row one cannot be made, or is of no use: the host may only have been busy.
	maxFailures = 3
)

// snapshots are what machines start from: a machine whose agent runs, and waits for its bootstrap document, with the
// disk that it has then. There is one for each kind.
type snapshots struct {
	dir string // empty: there are none

	mu    sync.Mutex
	kinds map[kind]*snapshot
}

// kind is in what machines differ before they are told who they are.
type kind struct {
	disk    int64 // bytes
	network bool
}

func (k kind) String() string {
	if k.network {
		return strconv.FormatInt(k.disk, 10) + "-connected"
	}
	return strconv.FormatInt(k.disk, 10)
}

// snapshot is one of them.
type snapshot struct {
	making chan struct{} // full while it is made, or looked for

	// These are for whoever holds mu of the snapshots.
	path     string // empty: there is none yet
	failures int
}

// of is the snapshot of a kind, nil if there can be none.
func (s *snapshots) of(k kind) *snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.kinds[k]
	if one == nil && len(s.kinds) < maxSnapshots {
		if s.kinds == nil {
			s.kinds = map[kind]*snapshot{}
		}
		one = &snapshot{making: make(chan struct{}, 1)}
		s.kinds[k] = one
	}
	return one
}

// usable is the path of a snapshot, or says that it is missing: then it is of use to make it.
func (s *snapshots) usable(one *snapshot) (path string, missing bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return one.path, one.path == "" && one.failures < maxFailures
}

// snapshot is the path of the snapshot for machines of a kind, which it makes if there is none; empty if the machine has
// to boot. A machine whose init does not call is an error: the next one would take as long.
func (d *Driver) snapshot(ctx context.Context, k kind) (string, error) {
	if d.snapshots.dir == "" || !d.vmm.Features().Snapshots {
		return "", nil
	}
	one := d.snapshots.of(k)
	if one == nil {
		return "", nil
	}
	if path, missing := d.snapshots.usable(one); !missing {
		return path, nil
	}
	select {
	case one.making <- struct{}{}:
		defer func() { <-one.making }()
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	path, missing := d.snapshots.usable(one)
	if !missing {
		return path, nil
	}
	path, err := d.findSnapshot(ctx, k)
	d.snapshots.mu.Lock()
	defer d.snapshots.mu.Unlock()
	one.path = path
	if err == nil || ctx.Err() != nil {
		return path, context.Cause(ctx)
	}
	one.failures++
	if silent, ok := errors.AsType[silentError](err); ok {
		return "", silent
	}
	d.log.Warn("a machine has to boot, because there is no snapshot to start it from", attrError, err)
	return "", nil
}

// snapshotError is why a machine does not go on from a snapshot.
type snapshotError struct{ error }

func (e snapshotError) Unwrap() error { return e.error }

// blame takes what has kept a machine from going on from a snapshot for the snapshot's fault, whatever it was, if there
// is time left to boot.
func (d *Driver) blame(ctx context.Context, snapshot string, err error) error {
	if err == nil || snapshot == "" || ctx.Err() != nil {
		return err
	}
	d.forget(snapshot)
	return snapshotError{err}
}

// forget gives up a snapshot that has turned out to be of no use. The next machine makes another, unless that was
// done in vain too often.
func (d *Driver) forget(path string) {
	d.snapshots.mu.Lock()
	for _, one := range d.snapshots.kinds {
		if one.path == path {
			one.path = ""
			one.failures++
		}
	}
	d.snapshots.mu.Unlock()
	_ = os.RemoveAll(path) // if it stays, it fails again
	d.vmm.Forget(path)
}

// prove is told of a snapshot that was of use; empty is none.
func (s *snapshots) prove(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.kinds {
		if path != "" && one.path == path {
			one.failures = 0
		}
	}
}

// findSnapshot returns the path of a snapshot, which it makes if it is not there; empty with an error.
func (d *Driver) findSnapshot(ctx context.Context, k kind) (string, error) {
	of, err := d.nameSnapshots(ctx)
	if err != nil {
		return "", err
	}
	of += k.String() + "."
	if err := os.MkdirAll(d.snapshots.dir, 0o700); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(d.snapshots.dir)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), of) {
			return filepath.Join(d.snapshots.dir, e.Name()), nil
		}
	}
	// None gets the name of one that is gone: what is still known of that is of no use for it.
	path := filepath.Join(d.snapshots.dir, of+strings.ToLower(rand.Text()[:10]))
	if err := d.makeSnapshot(ctx, path, k); err != nil {
		return "", err
	}
	return path, nil
}

// nameSnapshots begins the names of snapshots for machines of this driver: it stands for all that they depend on.
func (d *Driver) nameSnapshots(ctx context.Context) (string, error) {
	self, err := proctree.Identify(os.Getpid())
	if err != nil {
		return "", err
	}
	program, err := d.vmm.Fingerprint(ctx)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	fmt.Fprintln(sum, handleVersion, self.BootID, d.vmm.Name(), program, d.memory, d.cpus, Cmdline(d.initrd))
	for _, path := range []string{d.kernel, d.initrd, d.rootfs} {
		if path == "" {
			continue
		}
		stamp, err := vmm.Stamp(path)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(sum, stamp)
	}
	return snapshotPrefix + hex.EncodeToString(sum.Sum(nil)[:10]) + "-", nil
}

// sweepSnapshots removes the snapshots of which there is no use any more: those of other kernels, other root file
// systems, or another run of the host.
func (d *Driver) sweepSnapshots(ctx context.Context) error {
	if d.snapshots.dir == "" {
		return nil
	}
	entries, err := os.ReadDir(d.snapshots.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	entries = slices.DeleteFunc(entries, func(e os.DirEntry) bool { return !strings.HasPrefix(e.Name(), snapshotPrefix) })
	if err == nil && len(entries) == 0 {
		return nil // before the program is asked who it is
	}
	var ours string
	if err == nil {
		ours, err = d.nameSnapshots(ctx)
	}
	for _, e := range entries {
		if name := e.Name(); err == nil && !strings.HasPrefix(name, ours) {
			err = os.RemoveAll(filepath.Join(d.snapshots.dir, name))
		}
	}
	if err != nil {
		return fmt.Errorf("remove snapshots of machines: %w", err)
	}
	return nil
}
