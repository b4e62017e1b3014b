package image_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/image"
)

// The disk of the store is full: a small file system, mounted where nobody else sees it.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	im := build(t, nil, layerOf(t, entries{"small", "x", "large", noise(4 << 20)}.tar(t)))
	layout := writeLayout(t, filepath.Join(t.TempDir(), "layout"), im)
	cmd := exec.Command(os.Args[0], "-test.run=^TestFullDiskChild$", "-test.v")
	cmd.Env = append(os.Environ(), "NEX_TEST_LAYOUT="+layout, "NEX_TEST_DIR="+t.TempDir())
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

// TestFullDiskChild is the part of TestDiskFull that runs with mounts of its own.
func TestFullDiskChild(t *testing.T) {
	dir := os.Getenv("NEX_TEST_DIR")
	if dir == "" {
		return // it is run by TestDiskFull
	}
	if err := syscall.Mount("nex-test", dir, "tmpfs", 0, "size=2m,mode=0700"); err != nil {
		t.Fatal(err)
	}
	s := open(t, image.Config{Dir: filepath.Join(dir, "images"), AllowFile: true})
	wantCode(t, refuse(t, s, reference(t, "file://"+os.Getenv("NEX_TEST_LAYOUT"))), nex.CodeInternal, "disk", "full")
	if got := list(t, filepath.Join(dir, "images")); !slices.Equal(got, nil) {
		t.Errorf("left: %v", got)
	}
	t.Log("the disk was full")
}
