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
	"strconv"
	"strings"
	"sync"

	"github.com/nex-engine/nex/internal/proctree"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandboxdir"
	"github.com/nex-engine/nex/internal/unwind"
)

// snapshotPrefix begins the names of snapshots.
const snapshotPrefix = "snapshot-"

const (
	// maxSnapshots bounds the snapshots, each of which takes room on disk and in memory: machines with other disks
	// boot.
	maxSnapshots = 4
	// maxFailures is how often it is tried in vain to make one: the host may only have been busy.
	maxFailures = 3
)

// snapshots are what machines start from: a machine whose agent runs, and waits for its bootstrap document, with the
// disk that it has then. There is one for each size of the disk.
type snapshots struct {
	dir string // empty: there are none

	mu    sync.Mutex
	sizes map[int64]*snapshot
}

// snapshot is one of them.
type snapshot struct {
	making chan struct{} // full while it is made, or looked for

	// These are for whoever holds mu of the snapshots.
	path     string // empty: there is none yet
	failures int
}

// of is the snapshot for a size of the disk, nil if there can be none.
func (s *snapshots) of(diskBytes int64) *snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.sizes[diskBytes]
	if one == nil && len(s.sizes) < maxSnapshots {
		if s.sizes == nil {
			s.sizes = map[int64]*snapshot{}
		}
		one = &snapshot{making: make(chan struct{}, 1)}
		s.sizes[diskBytes] = one
	}
	return one
}

// usable is the path of a snapshot, or says that it is missing: then it is of use to make it.
func (s *snapshots) usable(one *snapshot) (path string, missing bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return one.path, one.path == "" && one.failures < maxFailures
}

// snapshot is the path of the snapshot for machines with such a disk, which it makes if there is none; empty if the
// machine has to boot.
func (d *Driver) snapshot(ctx context.Context, diskBytes int64) string {
	if d.snapshots.dir == "" || !d.vmm.Features().Snapshots {
		return ""
	}
	one := d.snapshots.of(diskBytes)
	if one == nil {
		return ""
	}
	if path, missing := d.snapshots.usable(one); !missing {
		return path
	}
	select {
	case one.making <- struct{}{}:
		defer func() { <-one.making }()
	case <-ctx.Done():
		return ""
	}
	path, missing := d.snapshots.usable(one)
	if !missing {
		return path
	}
	path, err := d.findSnapshot(ctx, diskBytes)
	d.snapshots.mu.Lock()
	defer d.snapshots.mu.Unlock()
	one.path = path
	if err != nil && ctx.Err() == nil {
		one.failures++
		d.log.Warn("a machine has to boot, because there is no snapshot to start it from", attrError, err)
	}
	return path
}

// snapshotError is why a machine does not go on from a snapshot.
type snapshotError struct{ error }

func (e snapshotError) Unwrap() error { return e.error }

// forget makes machines boot that would start from a snapshot, which has turned out to be of no use.
func (d *Driver) forget(path string) {
	d.snapshots.mu.Lock()
	defer d.snapshots.mu.Unlock()
	for _, one := range d.snapshots.sizes {
		if one.path == path {
			one.path, one.failures = "", maxFailures
		}
	}
	_ = os.RemoveAll(path) // if it stays, it fails again
}

// findSnapshot returns the path of a snapshot, which it makes if it is not there; empty with an error.
func (d *Driver) findSnapshot(ctx context.Context, diskBytes int64) (string, error) {
	of, err := d.nameSnapshots()
	if err != nil {
		return "", err
	}
	path := filepath.Join(d.snapshots.dir, of+strconv.FormatInt(diskBytes, 10))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(d.snapshots.dir, 0o700); err != nil {
		return "", err
	}
	if err := d.makeSnapshot(ctx, path, diskBytes); err != nil {
		return "", err
	}
	return path, nil
}

// nameSnapshots begins the names of snapshots for machines of this driver: it stands for all that they depend on.
func (d *Driver) nameSnapshots() (string, error) {
	self, err := proctree.Identify(os.Getpid())
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	fmt.Fprintln(sum, handleVersion, self.BootID, d.vmm.Name(), d.memory, d.cpus, Cmdline(d.initrd))
	for _, path := range []string{d.kernel, d.initrd, d.rootfs} {
		if path == "" {
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(sum, path, info.Size(), info.ModTime().UnixNano())
	}
	return snapshotPrefix + hex.EncodeToString(sum.Sum(nil)[:10]) + "-", nil
}

// sweepSnapshots removes the snapshots of which there is no use any more: those of other kernels, other root file
// systems, or another run of the host.
func (d *Driver) sweepSnapshots() error {
	if d.snapshots.dir == "" {
		return nil
	}
	entries, err := os.ReadDir(d.snapshots.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var ours string
	if err == nil {
		ours, err = d.nameSnapshots()
	}
	for _, e := range entries {
		if name := e.Name(); err == nil && strings.HasPrefix(name, snapshotPrefix) && !strings.HasPrefix(name, ours) {
			err = os.RemoveAll(filepath.Join(d.snapshots.dir, name))
		}
	}
	if err != nil {
		return fmt.Errorf("remove snapshots of machines: %w", err)
	}
	return nil
}

// makeSnapshot boots a machine and leaves it at path. While it is made it is a sandbox like others, so that Sweep
// finds it.
func (d *Driver) makeSnapshot(ctx context.Context, path string, diskBytes int64) (err error) {
	var undo unwind.Stack
	defer undo.Run() // also when all is well
	id := "snapshot" + strings.ToLower(rand.Text())[:20]
	if err := d.owned.Take(id); err != nil {
		return err
	}
	undo.Add(func() { d.owned.Release(id) })
	user := userOf(id)
	h, err := makeHome(d.dir, id, diskBytes, "", user)
	if err != nil {
		return err
	}
	undo.Add(func() {
		d.logged(id, "remove directory of a machine that was to leave a snapshot", sandboxdir.Remove(string(h)))
	})
	left, err := h.makeLeaves(user)
	if err != nil {
		return err
	}
	m := d.machine(h, user)
	m.Leaves = left
	i := newInstance(d, h, handle{Machine: m})
	if i.group, err = d.cgroups.Create(id, d.hostLimits(sandbox.Limits{})); err != nil {
		return err
	}
	undo.Add(func() {
		ctx, cancel := undoing(ctx)
		defer cancel()
		d.logged(id, "remove control group", i.group.Remove(ctx))
	})
	if err := i.begin(nil, func() { close(i.talk.kept) }); err != nil {
		return err
	}
	err = i.leave(ctx)
	i.discard(ctx)
	if err != nil {
		return err
	}
	if err := copyDisk(filepath.Join(left, diskFile), h.disk()); err != nil {
		return err
	}
	if err := os.Rename(left, path); err != nil && !errors.Is(err, fs.ErrExist) { // another node may have been faster
		return err
	}
	return nil
}

// leave lets the machine run until its init calls, and has it leave its snapshot.
func (i *instance) leave(ctx context.Context) error {
	d := i.driver
	ctx, cancel := context.WithTimeoutCause(ctx, d.startTimeout, silentError{d.startTimeout})
	defer cancel()
	defer context.AfterFunc(i.life, cancel)()
	if err := d.vmm.Boot(ctx, i.machine); err != nil {
		return err
	}
	s, err := i.reach(ctx)
	if err != nil {
		if said := i.complaint(); said != "" {
			err = errors.New(said)
		}
		return err
	}
	_, err = s.State(ctx)
	_ = s.Close() // each machine begins one of its own
	if err != nil {
		return err
	}
	return d.vmm.Snapshot(ctx, i.machine, i.machine.Leaves)
}
