package nextest

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// smallDiskVariable has the directory on which the small file system of a test is to be.
const smallDiskVariable = "NEX_TEST_SMALL_DISK"

// OnSmallDisk runs a test of the top level in a process of its own that has a file system of a size, such as "1m",
// in the directory that fill is called with, where nobody else sees it. It takes no rights, but user namespaces.
func OnSmallDisk(t *testing.T, size string, fill func(dir string)) {
	t.Helper()
	if dir := os.Getenv(smallDiskVariable); dir != "" {
		if err := syscall.Mount("nex-test", dir, "tmpfs", 0, "size="+size+",mode=0700"); err != nil {
			t.Fatal(err)
		}
		fill(dir)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), smallDiskVariable+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("on a disk of %s: %v\n%s", size, err, out)
	}
}
