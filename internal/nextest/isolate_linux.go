package nextest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// isolated is set in the process that Isolate has started.
const isolated = "NEX_TEST_ISOLATED"

// Isolate is what TestMain returns of a package whose tests start nodes with sandboxes: it runs the tests
// in a process of its own with a network that has no way out of it, and a /run of its own, so that no
// packet of a sandbox leaves the machine whatever fails. Only root can have that; others run the tests
// where they are, without what [Sandboxed] asks for.
func Isolate(run func() int) int {
	if os.Geteuid() != 0 {
		return run()
	}
	if os.Getenv(isolated) != "" {
		if err := enter(); err != nil {
			fmt.Fprintln(os.Stderr, "prepare the network of the tests:", err)
			return 1
		}
		return run()
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), isolated+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // the signal comes when the thread ends that has started the process
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return exit.ExitCode()
	case err != nil:
		fmt.Fprintln(os.Stderr, "start the tests with a network of their own:", err)
		return 1
	}
	return 0
}

// enter makes of new namespaces ones to live in.
func enter() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keep mounts to ourselves: %w", err)
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("mount a /run: %w", err)
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find loopback: %w", err)
	}
	return netlink.LinkSetUp(lo)
}

// Sandboxed reports whether nodes of this test can have sandboxes: whether it runs in what Isolate makes.
func Sandboxed() bool { return os.Getenv(isolated) != "" }
