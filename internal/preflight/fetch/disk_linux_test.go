package fetch_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/preflight/fetch"
)

// The disk is full: a small file system, mounted where nobody else sees it.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.run=^TestDiskFullChild$", "-test.v")
	cmd.Env = append(os.Environ(), "NEX_TEST_DIR="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "the disk was full") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestDiskFullChild is the part of TestDiskFull that runs with mounts of its own.
func TestDiskFullChild(t *testing.T) {
	dir := os.Getenv("NEX_TEST_DIR")
	if dir == "" {
		return // it is run by TestDiskFull
	}
	if err := syscall.Mount("nex-test", dir, "tmpfs", 0, "size=1m,mode=0700"); err != nil {
		t.Fatal(err)
	}
	to := target(t)
	to.Path, to.MaxBytes = filepath.Join(dir, "vmlinux"), 1<<30
	large := strings.Repeat("x", 4<<20)
	refused(t, fetch.Config{}, source(t, large), to, "the disk of "+dir+" has 1 MiB of free space, and the kernel takes 4 MiB: free some, or choose another place with kernel_filepath")
	// How much it takes is known only when it is unpacked.
	refused(t, fetch.Config{}, source(t, compress(t, large)), to, "the disk of "+dir+" is full: free space there, or choose another place with kernel_filepath")
	if err := (fetch.Config{}).Get(t.Context(), source(t, content), to); err != nil {
		t.Error(err)
	}
	wantFile(t, to, content)
	t.Log("the disk was full")
}

// A user who may not write there.
func TestNoPermission(t *testing.T) {
	t.Parallel()
	s, to := source(t, content), target(t)
	dir := filepath.Dir(to.Path)
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{to.Path, filepath.Join(dir, "sub", "vmlinux")} {
		to.Path = path
		err := asNobody(func() error { return fetch.Config{}.Get(t.Context(), s, to) })
		want := "this user may not write to " + filepath.Dir(path) + ": run nex node preflight as root, for example with sudo, or choose another place with kernel_filepath: permission denied"
		if err == nil || err.Error() != want || !errors.Is(err, fs.ErrPermission) {
			t.Errorf("error = %v, want %s", err, want)
		}
	}
	if names := list(t, dir); len(names) > 0 {
		t.Errorf("left: %q", names)
	}
}

// asNobody calls f as somebody to whom files do not belong, if this is root.
func asNobody(f func() error) error {
	const nobody = 65534
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // which ends with this function, so that nobody else becomes nobody
		if os.Geteuid() == 0 {
			_ = unix.Setfsuid(nobody)
		}
		result <- f()
	}()
	return <-result
}
