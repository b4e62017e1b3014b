package firecracker

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
)

// Names in the root of a process.
const (
	apiSocket    = "api.sock"
	vsockSocket  = "v.sock"
	kernelName   = "vmlinux"
	initrdName   = "initrd"
	stateName    = "state"
	memoryName   = "memory"
	shapeName    = "machine.json" // in a directory with a snapshot only
	maxDisks     = 16
	networkID    = "eth0"
	diskNameBase = "vd"
)

// diskName is the name and id of the n-th disk.
func diskName(n int) string { return diskNameBase + string(rune('a'+n)) }

// root is the root of a machine's process.
func (f *Firecracker) root(m vmm.Machine) string {
	if f.jailer == "" {
		return m.Dir
	}
	return filepath.Join(m.Dir, filepath.Base(f.path), m.ID, "root")
}

// A part is a file that a process needs.
type part struct {
	name, path string
	readOnly   bool
}

// parts are the files that the process of a machine needs.
func parts(m vmm.Machine) []part {
	var p []part
	if m.Snapshot == "" {
		p = append(p, part{kernelName, m.Kernel, true})
		if m.Initrd != "" {
			p = append(p, part{initrdName, m.Initrd, true})
		}
	} else {
		for _, name := range []string{stateName, memoryName} {
			p = append(p, part{name, filepath.Join(m.Snapshot, name), true})
		}
	}
	for n, d := range m.Disks {
		p = append(p, part{diskName(n), d.Path, d.ReadOnly})
	}
	return p
}

// furnish makes the root of a machine's process. What is left when it fails is in Machine.Dir.
func (f *Firecracker) furnish(m vmm.Machine) error {
	root := f.root(m)
	if f.jailer != "" {
		// The jailer gives the root to the user, and nothing above it.
		if err := os.MkdirAll(root, 0o755); err != nil {
			return fmt.Errorf("make the root of firecracker: %w", err)
		}
	}
	for _, p := range parts(m) {
		if err := f.put(p, filepath.Join(root, p.name)); err != nil {
			return fmt.Errorf("give firecracker its %s: %w", p.name, err)
		}
	}
	return nil
}

// put makes a part be at a path in the root.
func (f *Firecracker) put(p part, at string) error {
	// What is wrong with it is known best here: in the root it has another name.
	info, err := os.Stat(p.path)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no file", p.path)
	case f.jailer == "":
		return os.Symlink(p.path, at)
	}
	path, err := filepath.EvalSymlinks(p.path) // a link to a symbolic link would lead out of the root
	if err != nil {
		return err
	}
	err = os.Link(path, at)
	switch {
	case err == nil && p.readOnly && info.Mode().Perm()&0o004 == 0: // the user owns no more than what is written to
		return fmt.Errorf("%s cannot be read by the user that the jailer makes of firecracker: let everybody, by chmod a+r", path)
	case err == nil || !errors.Is(err, unix.EXDEV):
		return err
	case !p.readOnly:
		return fmt.Errorf("%s is written to, and in another file system than %s: let both be in one", p.path, filepath.Dir(at))
	}
	return copyFile(path, at)
}

// copyFile copies a file that no process that we do not trust can write to. Everybody may read the copy.
func copyFile(from, to string) error {
	in, err := os.OpenFile(from, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = out.Chmod(0o444) // whatever the umask is
	}
	return errors.Join(err, out.Close())
}

// move moves a file that firecracker has written to where nobody changes it any more.
func move(from, to string) error {
	info, err := os.Lstat(from)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no file", from)
	}
	err = os.Rename(from, to)
	if errors.Is(err, unix.EXDEV) {
		if err = copyFile(from, to); err == nil {
			err = os.Remove(from)
		}
	}
	if err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return errors.Join(f.Chown(os.Geteuid(), os.Getegid()), f.Chmod(0o444))
}
