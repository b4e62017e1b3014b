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

// The program of an image may run as root, without any capability. Then it owns what is root's in the VM, and only
// what it cannot reach, or what is read-only, is safe from it. Into ownDir nobody comes but the agent and who may
// override permissions: the init.
const (
	ownDir    = "/run/nex/own"
	ownGroups = ownDir + "/cgroup"
	ownDev    = ownDir + "/dev"
)

// readOnly are what such a program can still read. A kernel need not have all of it.
var readOnly = []string{groupRoot, "/proc/sys", "/proc/sysrq-trigger", "/proc/bus", "/proc/fs", "/proc/irq"}

// devices are what every program may use.
var devices = []struct {
	name         string
	major, minor uint32
}{{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}}

// shield takes from programs of an image what the init needs for itself.
func shield() error {
	if err := makeDir(ownDir, 0o700, guest.ImageAgentUser); err != nil {
		return err
	}
	// What the agent looks for there nobody else may put there, or move away: what is mounted stays where it is.
	nexRun := filepath.Dir(guest.LinkDir)
	if err := os.Chown(nexRun, guest.ImageAgentUser, guest.ImageAgentUser); err != nil {
		return err
	}
	const dev = unix.MS_NOSUID | unix.MS_NOEXEC
	for _, m := range []mount{
		{nexRun, nexRun, "", unix.MS_BIND | unix.MS_REC, ""},
		{groupRoot, ownGroups, "", unix.MS_BIND, ""},
		{"/dev", ownDev, "", unix.MS_MOVE, ""},
		{"tmpfs", "/dev", "tmpfs", dev, "mode=0755,size=64k"},
		{filepath.Join(ownDev, "shm"), "/dev/shm", "", unix.MS_MOVE, ""},
		{filepath.Join(ownDev, "pts"), "/dev/pts", "", unix.MS_MOVE, ""},
	} {
		if err := m.do(); err != nil {
			return err
		}
	}
	for _, path := range readOnly {
		if err := protect(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("make %s read-only: %w", path, err)
		}
	}
	for _, d := range devices {
		path := filepath.Join("/dev", d.name)
		if err := unix.Mknod(path, unix.S_IFCHR|0o666, int(unix.Mkdev(d.major, d.minor))); err != nil {
			return fmt.Errorf("make %s: %w", path, err)
		}
		if err := os.Chmod(path, 0o666); err != nil { // whatever the umask is
			return err
		}
	}
	if err := os.Symlink("pts/ptmx", "/dev/ptmx"); err != nil {
		return err
	}
	return makeLinks()
}

// protect makes what is at a path read-only by mounting it on itself.
func protect(path string) error {
	if err := unix.Mount(path, path, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	return unix.Mount("", path, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOEXEC|safe, "")
}
