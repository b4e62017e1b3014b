package proctree

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// released is the name of the event by which a watch is ended.
const released = 1

func watch(id Identity) (*watcher, error) {
	kq, err := unix.Kqueue()
	if err != nil {
		return nil, fmt.Errorf("watch process %d: %w", id.PID, err)
	}
	unix.CloseOnExec(kq)
	var user unix.Kevent_t
	unix.SetKevent(&user, released, unix.EVFILT_USER, unix.EV_ADD|unix.EV_CLEAR)
	err = retry(func() error {
		_, err := unix.Kevent(kq, []unix.Kevent_t{user, exitOf(id.PID)}, nil, nil)
		return err
	})
	// From here on the event is of whom has the number now.
	if errors.Is(err, unix.ESRCH) || err == nil && !id.Running() {
		err = ErrNotFound
	}
	if err != nil {
		_ = unix.Close(kq)
		return nil, fmt.Errorf("watch process %d: %w", id.PID, err)
	}
	ended, finished := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(finished)
		if awaitKqueue(kq) {
			close(ended)
		}
	}()
	release := sync.OnceFunc(func() {
		unix.SetKevent(&user, released, unix.EVFILT_USER, 0)
		user.Fflags = unix.NOTE_TRIGGER
		_, _ = unix.Kevent(kq, []unix.Kevent_t{user}, nil, nil)
		<-finished
		_ = unix.Close(kq)
	})
	return &watcher{ended, release, nobodyKnows}, nil
}

// awaitKqueue reports that the process has ended, or false when the watch is.
func awaitKqueue(kq int) bool {
	events := make([]unix.Kevent_t, 1)
	err := retry(func() error {
		_, err := unix.Kevent(kq, nil, events, nil)
		return err
	})
	return err == nil && events[0].Filter == unix.EVFILT_PROC
}

// exitOf is the event of the end of a process.
func exitOf(pid int) unix.Kevent_t {
	var k unix.Kevent_t
	unix.SetKevent(&k, pid, unix.EVFILT_PROC, unix.EV_ADD|unix.EV_ONESHOT)
	k.Fflags = unix.NOTE_EXIT
	return k
}
