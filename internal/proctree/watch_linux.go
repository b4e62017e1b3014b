package proctree

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	nex "github.com/nex-engine/nex"
)

func watch(id Identity) (*watcher, error) {
	fd, err := unix.PidfdOpen(id.PID, 0)
	switch {
	case errors.Is(err, unix.ESRCH):
		return nil, ErrNotFound
	case errors.Is(err, unix.ENOSYS):
		return watchByLooking(id)
	case err != nil:
		return nil, fmt.Errorf("watch process %d: %w", id.PID, err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("watch process %d: %w", id.PID, err)
	}
	hold := os.NewFile(uintptr(fd), "pidfd") // the runtime's poller has it: it takes no thread
	// If the number had gone to another before it was opened, it is that other's now.
	if !id.Running() {
		_ = hold.Close()
		return nil, ErrNotFound
	}
	ended, finished := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(finished)
		if awaitPidfd(hold) {
			close(ended)
		}
	}()
	release := sync.OnceFunc(func() {
		_ = hold.Close()
		<-finished
	})
	return &watcher{ended, release, func() nex.Exit { return exitOfPidfd(hold) }}, nil
}

// awaitPidfd reports that the process has ended, or false when the file is closed first.
func awaitPidfd(hold *os.File) bool {
	raw, err := hold.SyscallConn()
	if err != nil {
		return false
	}
	err = raw.Read(func(fd uintptr) bool {
		polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(polled, 0)
		return err == nil && n > 0 // else it is called again when the poller has heard of something
	})
	return err == nil
}

// lookPause is how often it is looked, where a kernel before 5.3 tells nothing.
const lookPause = 100 * time.Millisecond

// watchByLooking is for systems without a pidfd.
func watchByLooking(id Identity) (*watcher, error) {
	if !id.Running() {
		return nil, ErrNotFound
	}
	ended, finished, stop := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(finished)
		look := time.NewTicker(lookPause)
		defer look.Stop()
		for id.sameAndRunning() {
			select {
			case <-stop:
				return
			case <-look.C:
			}
		}
		close(ended)
	}()
	release := sync.OnceFunc(func() {
		close(stop)
		<-finished
	})
	return &watcher{ended, release, nobodyKnows}, nil
}
