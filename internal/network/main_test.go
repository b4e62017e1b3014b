//go:build linux

package network_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/network"
)

// role says what this binary is to be, when a test starts it again.
const (
	role          = "NEX_NETWORK_TEST_ROLE"
	roleTests     = "tests"
	roleSleeper   = "sleeper"
	roleCrashing  = "crashing"
	rolePowerless = "powerless"
	roleEarlier   = "earlier"
)

// All tests run in a network namespace and a mount namespace of their own: from there no packet gets out,
// and nothing of the machine can be changed.
func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "":
		os.Exit(isolate())
	case roleSleeper:
		_, _ = os.Stdin.Read(make([]byte, 1)) // until the test ends it
		os.Exit(0)
	case roleCrashing:
		os.Exit(crash())
	case roleEarlier:
		os.Exit(earlier())
	case rolePowerless:
		_, err := network.Open(context.Background(), network.Config{Name: "t1"})
		fmt.Println(errors.Is(err, network.ErrRights), err)
		os.Exit(0)
	}
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, "prepare namespace of the tests:", err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// again is a command that starts this binary in a role.
func again(as string, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), role+"="+as)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd
}

func isolate() int {
	cmd := again(roleTests, os.Args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return exit.ExitCode()
	case err != nil:
		fmt.Fprintln(os.Stderr, "start tests in a network namespace of their own:", err)
		return 1
	}
	return 0
}

// prepare gives the tests a /run of their own, a loopback, and ICMP errors without limit.
func prepare() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, ""); err != nil {
		return err
	}
	// ICMP errors are limited by receiver, and tests look for each of them.
	if err := os.WriteFile("/proc/sys/net/ipv4/icmp_ratelimit", []byte("0"), 0); err != nil {
		return err
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(lo)
}
