package proctree

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// dieWithParent does nothing: the system has no way to ask for it.
func dieWithParent(*syscall.SysProcAttr) {}

// attend returns when the root has ended, and leaves it to be waited for: as long as it is, its
// process id and group id cannot be given to anybody else.
func (t *Tree) attend() {
	kq, err := unix.Kqueue()
	if err == nil {
		defer unix.Close(kq)
		err = awaitExit(kq, t.root.PID)
	}
	if err != nil && !errors.Is(err, unix.ESRCH) {
		// Without the event the exit is learnt by reaping, and Signal may come a moment too late.
		_, _ = t.cmd.Process.Wait()
	}
}

func awaitExit(kq, pid int) error {
	change := exitOf(pid)
	events := make([]unix.Kevent_t, 1)
	if err := retry(func() error {
		_, err := unix.Kevent(kq, []unix.Kevent_t{change}, nil, nil)
		return err
	}); err != nil {
		return err // ESRCH: it has ended already
	}
	return retry(func() error {
		_, err := unix.Kevent(kq, nil, events, nil)
		return err
	})
}

// retry repeats a call that a signal interrupted.
func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
