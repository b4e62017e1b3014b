package runas

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Start starts cmd as the user: without capabilities, and without a way to get any by a program that has
// them or by being root. It needs the capabilities to set users and groups, and to drop others.
//
// The thread of the calling goroutine loses what it could hand on, so it is the goroutine's for good and
// ends with it. The caller must do nothing else in that goroutine but wait for the command.
func (u User) Start(cmd *exec.Cmd) error {
	runtime.LockOSThread() // and never unlocked
	if err := shed(); err != nil {
		return fmt.Errorf("become user %s: %w", u, err)
	}
	var a syscall.SysProcAttr
	if cmd.SysProcAttr != nil {
		a = *cmd.SysProcAttr
	}
	a.Credential = &syscall.Credential{Uid: u.UID, Gid: u.GID, Groups: u.Groups}
	cmd.SysProcAttr = &a
	return cmd.Start()
}

// shed empties the sets of capabilities from which a child of this thread could get any when it changes
// its program. The thread keeps those that it needs itself.
func shed() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up new privileges: %w", err)
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("clear ambient capabilities: %w", err)
	}
	for c := uintptr(0); ; c++ {
		err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) { // there are no more
			break
		}
		if err != nil {
			return fmt.Errorf("drop capabilities: %w", err)
		}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return fmt.Errorf("read capabilities: %w", err)
	}
	sets[0].Inheritable, sets[1].Inheritable = 0, 0
	if err := unix.Capset(&header, &sets[0]); err != nil {
		return fmt.Errorf("drop inheritable capabilities: %w", err)
	}
	return nil
}
