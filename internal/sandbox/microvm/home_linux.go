package microvm

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"

	"github.com/nex-engine/nex/internal/ext4"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
	"github.com/nex-engine/nex/internal/sandboxdir"
	"github.com/nex-engine/nex/internal/unwind"
)

// diskFile is the machine's own disk, in its home and in a snapshot.
const diskFile = "disk"

// home is the directory of one sandbox.
type home string

func (h home) id() string         { return filepath.Base(string(h)) }
func (h home) disk() string       { return filepath.Join(string(h), diskFile) }
func (h home) vmm() string        { return filepath.Join(string(h), "vmm") }
func (h home) output() string     { return filepath.Join(string(h), "output") }
func (h home) complaints() string { return filepath.Join(string(h), "complaints") }

// makeHome makes the directory of the sandbox below dir, with a disk of that size, or the one of a snapshot; what the
// machine's process has to own is the user's. It fails if there is one already.
func makeHome(dir, id string, diskBytes int64, snapshot string, user *vmm.User) (_ home, err error) {
	var undo unwind.Stack
	defer undo.RunOnError(&err)
	path, err := sandboxdir.Make(dir, id)
	if err != nil {
		return "", err
	}
	undo.Add(func() { _ = sandboxdir.Remove(path) })
	h := home(path)
	if err := os.Mkdir(h.vmm(), 0o700); err != nil {
		return "", fmt.Errorf("make sandbox directory: %w", err)
	}
	if snapshot == "" {
		err = ext4.MakeEmpty(h.disk(), diskBytes)
	} else {
		err = copyDisk(h.disk(), filepath.Join(snapshot, diskFile))
	}
	if err != nil {
		return "", fmt.Errorf("make the disk of the machine: %w", err)
	}
	if user == nil {
		return h, nil
	}
	for _, p := range []string{h.vmm(), h.disk()} {
		if err := os.Chown(p, user.UID, user.GID); err != nil {
			return "", fmt.Errorf("give the machine what is its own: %w", err)
		}
	}
	return h, nil
}

// makeLeaves makes the directory in which the machine is to be left.
func (h home) makeLeaves(user *vmm.User) (string, error) {
	path := filepath.Join(string(h), "leaves")
	err := os.Mkdir(path, 0o700)
	if err == nil && user != nil {
		err = os.Chown(path, user.UID, user.GID)
	}
	if err != nil {
		return "", fmt.Errorf("make directory for a snapshot: %w", err)
	}
	return path, nil
}

// copyDisk makes a disk with the content of another.
func copyDisk(to, from string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close() // only read
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(vmm.CopySparse(dst, src), dst.Close())
}

// Users of machines: systems give these numbers to nobody.
const (
	firstUser = 0x70000000
	userBits  = 27
)

// userOf is the user of a machine's process, nil if the node cannot choose. That two machines have the same one is as
// good as impossible.
func userOf(id string) *vmm.User {
	if os.Geteuid() != 0 {
		return nil
	}
	sum := fnv.New64a()
	_, _ = io.WriteString(sum, id) // it never fails
	n := firstUser + int(sum.Sum64()>>(64-userBits))
	return &vmm.User{UID: n, GID: n}
}
