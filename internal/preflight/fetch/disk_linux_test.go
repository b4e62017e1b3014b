package fetch_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/preflight/fetch"
)

// The disk is full: a small file system, mounted where nobody else sees it.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	nextest.OnSmallDisk(t, "1m", func(dir string) { onFullDisk(t, dir) })
}

func onFullDisk(t *testing.T, dir string) {
	t.Helper()
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
