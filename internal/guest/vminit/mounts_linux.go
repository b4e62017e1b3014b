package vminit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/ext4"
	"github.com/nex-engine/nex/internal/guest"
)

// Disks of a VM, in the order in which a VMM is given them.
const (
	rootDisk    = "/dev/vda"
	overlayDisk = "/dev/vdb"
	imageDisk   = "/dev/vdc"
)

// What everything mounted has: nobody in a VM has a reason for either.
const safe = unix.MS_NOSUID | unix.MS_NODEV

type mount struct {
	source, target, kind string
	flags                uintptr
	data                 string
}

func (m mount) do() error {
	if err := os.MkdirAll(m.target, 0o755); err != nil {
		return fmt.Errorf("mount %s: %w", m.target, err)
	}
	if err := unix.Mount(m.source, m.target, m.kind, m.flags, m.data); err != nil {
		return fmt.Errorf("mount %s on %s: %w", m.source, m.target, err)
	}
	return nil
}

// early are mounted before there is a root.
var early = []mount{
	{"proc", "/proc", "proc", safe | unix.MS_NOEXEC, ""},
	{"sysfs", "/sys", "sysfs", safe | unix.MS_NOEXEC | unix.MS_RDONLY, ""},
	{"devtmpfs", "/dev", "devtmpfs", unix.MS_NOSUID | unix.MS_NOEXEC, "mode=0755"},
}

// late are mounted when the root is there.
var late = []mount{
	{"tmpfs", "/run", "tmpfs", safe, "mode=0755,size=16m"},
	{"tmpfs", "/dev/shm", "tmpfs", safe, "mode=1777,size=64m"},
	{"devpts", "/dev/pts", "devpts", unix.MS_NOSUID | unix.MS_NOEXEC, "mode=0620,ptmxmode=0666"},
	{"cgroup2", groupRoot, "cgroup2", safe | unix.MS_NOEXEC, ""},
}

// beginnings mounts what the init itself needs, makes the console its output, and lets a panic of the kernel
// restart the machine at once.
func beginnings() error {
	for _, m := range early {
		// A kernel may have mounted devices before.
		if err := m.do(); err != nil && !errors.Is(err, unix.EBUSY) {
			return err
		}
	}
	if err := terminal.open("/dev/console"); err != nil {
		return err
	}
	return os.WriteFile("/proc/sys/kernel/panic", []byte("-1"), 0)
}

// root is what becomes the root.
type root struct {
	base   string // a directory for mount points
	system string // where the file system of the first disk is
	image  bool   // there is an image
}

func (r *root) disk() string { return filepath.Join(r.base, "disk") }

// lower is what the root has that nobody writes to.
func (r *root) lower() string {
	if r.image {
		return filepath.Join(r.base, "image")
	}
	return r.system
}

// mountDisks mounts the disks, of which the root is to be.
func mountDisks(e *events, first *initramfs) (*root, error) {
	for _, disk := range []string{rootDisk, overlayDisk} {
		if err := e.await(disk); err != nil {
			return nil, err
		}
	}
	r := root{base: "/", system: "/lower"}
	if first == nil {
		// The kernel has mounted it. It is read-only, so the mount points are in memory.
		r.base, r.system = "/run", "/"
		if err := (mount{"tmpfs", r.base, "tmpfs", safe, "mode=0755"}).do(); err != nil {
			return nil, err
		}
	}
	_, err := os.Stat(imageDisk)
	r.image = err == nil
	return &r, together(r.mountLower, r.mountUpper)
}

func (r *root) mountLower() error {
	if r.system != "/" {
		if err := (mount{rootDisk, r.system, "ext4", safe | unix.MS_RDONLY, ""}).do(); err != nil {
			return err
		}
	}
	if !r.image {
		return nil
	}
	return mount{imageDisk, r.lower(), "ext4", safe | unix.MS_RDONLY, ""}.do()
}

// stagedName is the directory of what is staged, on the disk that is written to.
const stagedName = "in"

func (r *root) mountUpper() error {
	if err := (mount{overlayDisk, r.disk(), "ext4", safe | unix.MS_NOATIME, ""}).do(); err != nil {
		return err
	}
	for _, dir := range []string{ext4.UpperDir, ext4.WorkDir, stagedName} {
		if err := os.MkdirAll(filepath.Join(r.disk(), dir), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// enter makes the overlay of the disks the root.
func (r *root) enter() error {
	upper := filepath.Join(r.disk(), ext4.UpperDir)
	if err := copyOwner(r.lower(), upper); err != nil {
		return err
	}
	target := filepath.Join(r.base, "root")
	for _, m := range r.mounts(target, upper) {
		if err := m.do(); err != nil {
			return err
		}
	}
	if err := switchRoot(target); err != nil {
		return fmt.Errorf("make %s the root: %w", target, err)
	}
	if err := furnish(r.image); err != nil || !r.image {
		return err
	}
	return shield()
}

// mounts are those of the root, which is to be at target.
func (r *root) mounts(target, upper string) []mount {
	layers := "lowerdir=" + r.lower() + ",upperdir=" + upper + ",workdir=" + filepath.Join(r.disk(), ext4.WorkDir)
	mounts := []mount{{"overlay", target, "overlay", safe, layers}}
	if r.image {
		dir := filepath.Dir(guest.InitPath)
		mounts = append(mounts, mount{filepath.Join(r.system, dir), filepath.Join(target, dir), "", unix.MS_BIND, ""})
	}
	for _, m := range early {
		mounts = append(mounts, mount{m.target, filepath.Join(target, m.target), "", unix.MS_MOVE, ""})
	}
	for _, m := range late {
		m.target = filepath.Join(target, m.target)
		mounts = append(mounts, m)
	}
	staged := filepath.Join(r.disk(), stagedName)
	return append(mounts, mount{staged, filepath.Join(target, guest.StagedDir), "", unix.MS_BIND, ""})
}

// copyOwner gives a directory the owner and mode of another: those of an overlay's root are its upper layer's.
func copyOwner(from, to string) error {
	var s unix.Stat_t
	if err := unix.Stat(from, &s); err != nil {
		return fmt.Errorf("look at %s: %w", from, err)
	}
	return errors.Join(unix.Chown(to, int(s.Uid), int(s.Gid)), unix.Chmod(to, s.Mode&0o7777))
}

func switchRoot(root string) error {
	if err := unix.Chdir(root); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return err
	}
	if err := unix.Chroot("."); err != nil {
		return err
	}
	return unix.Chdir("/")
}

// furnish makes what programs expect to find.
func furnish(image bool) error {
	if err := makeLinks(); err != nil {
		return err
	}
	if err := makeDir("/tmp", 0o777|fs.ModeSticky, 0); err != nil {
		return err
	}
	if image {
		return makeDir(guest.LinkDir, 0o700, guest.ImageAgentUser)
	}
	if err := makeDir(homeDir, 0o755, guest.AgentUser); err != nil {
		return err
	}
	if err := makeDir(workDir, 0o755, guest.WorkloadUser); err != nil {
		return err
	}
	return makeDir(guest.LinkDir, 0o700, guest.AgentUser)
}

// makeLinks makes the links that programs expect to find among devices.
func makeLinks() error {
	for name, target := range map[string]string{
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
	} {
		if err := os.Symlink(target, "/dev/"+name); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// makeDir makes a directory of a user, unless there is one.
func makeDir(dir string, mode fs.FileMode, user int) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.Chmod(dir, mode); err != nil {
		return err
	}
	return os.Chown(dir, user, user)
}
