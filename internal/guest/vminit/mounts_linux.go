package vminit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

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
	console, err := os.OpenFile("/dev/console", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	defer console.Close()
	for fd := range 3 {
		if err := unix.Dup3(int(console.Fd()), fd, 0); err != nil {
			return err
		}
	}
	if err := os.WriteFile("/proc/sys/kernel/panic", []byte("-1"), 0); err != nil {
		return err
	}
	return nil
}

// enterRoot makes the overlay of the disks the root. It reports whether there is an image.
func enterRoot(e *events) (image bool, err error) {
	for _, disk := range []string{rootDisk, overlayDisk} {
		if err := e.await(disk); err != nil {
			return false, err
		}
	}
	base, lower, err := baseOf()
	if err != nil {
		return false, err
	}
	_, err = os.Stat(imageDisk)
	image = err == nil
	disk, root := filepath.Join(base, "disk"), filepath.Join(base, "root")
	system := lower
	if image {
		lower = filepath.Join(base, "image")
		if err := (mount{imageDisk, lower, "ext4", safe | unix.MS_RDONLY, ""}).do(); err != nil {
			return false, err
		}
	}
	if err := (mount{overlayDisk, disk, "ext4", safe | unix.MS_NOATIME, ""}).do(); err != nil {
		return false, err
	}
	upper, work, staged := filepath.Join(disk, "upper"), filepath.Join(disk, "work"), filepath.Join(disk, "in")
	for _, dir := range []string{upper, work, staged} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return false, err
		}
	}
	mounts := []mount{{"overlay", root, "overlay", safe, "lowerdir=" + lower + ",upperdir=" + upper + ",workdir=" + work}}
	if image {
		dir := filepath.Dir(guest.InitPath)
		mounts = append(mounts, mount{filepath.Join(system, dir), filepath.Join(root, dir), "", unix.MS_BIND, ""})
	}
	for _, m := range early {
		mounts = append(mounts, mount{m.target, filepath.Join(root, m.target), "", unix.MS_MOVE, ""})
	}
	for _, m := range late {
		m.target = filepath.Join(root, m.target)
		mounts = append(mounts, m)
	}
	mounts = append(mounts, mount{staged, filepath.Join(root, guest.StagedDir), "", unix.MS_BIND, ""})
	for _, m := range mounts {
		if err := m.do(); err != nil {
			return false, err
		}
	}
	if err := switchRoot(root); err != nil {
		return false, fmt.Errorf("make %s the root: %w", root, err)
	}
	if err := furnish(image); err != nil || !image {
		return image, err
	}
	return image, shield()
}

// baseOf returns a directory for mount points, and where the file system of the first disk is.
func baseOf() (base, lower string, err error) {
	inMemory, err := isInitramfs()
	if err != nil {
		return "", "", err
	}
	if !inMemory {
		// The kernel has mounted it. It is read-only, so the mount points are in memory.
		return "/run", "/", mount{"tmpfs", "/run", "tmpfs", safe, "mode=0755"}.do()
	}
	// What is there takes memory as long as the VM lives.
	for _, path := range []string{"/init", modulesDir} {
		if err := os.RemoveAll(path); err != nil {
			return "", "", err
		}
	}
	return "/", "/lower", mount{rootDisk, "/lower", "ext4", safe | unix.MS_RDONLY, ""}.do()
}

func isInitramfs() (bool, error) {
	var s unix.Statfs_t
	if err := unix.Statfs("/", &s); err != nil {
		return false, fmt.Errorf("look at the root: %w", err)
	}
	return s.Type == unix.RAMFS_MAGIC || s.Type == unix.TMPFS_MAGIC, nil
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
