package proctree

import (
	"time"

	"golang.org/x/sys/unix"
)

// handle is a hold on one process. With a pidfd no other process can be meant by it; where the
// kernel or a sandbox has none it is the number, checked just before use.
type handle struct {
	process process
	fd      int // -1: none
	gone    bool
}

// open takes a hold on p, or finds it gone.
func open(p process) *handle {
	h := &handle{process: p, fd: -1}
	if fd, err := unix.PidfdOpen(p.pid, 0); err == nil {
		h.fd = fd
	}
	// The number may have gone to another process since p was read, but not any more after the
	// pidfd was opened.
	now, err := readProcess(p.pid)
	h.gone = err != nil || now.start != p.start || now.ended
	return h
}

func (h *handle) signal(sig unix.Signal) {
	switch {
	case h.gone:
	case h.fd >= 0:
		_ = unix.PidfdSendSignal(h.fd, sig, nil, 0) // who does not get it is seen in the next pass
	default:
		_ = unix.Kill(h.process.pid, sig)
	}
}

func (h *handle) close() {
	if h.fd >= 0 {
		_ = unix.Close(h.fd)
	}
}

// maxAwaited bounds the open files that waiting takes.
const maxAwaited = 64

// sigkill kills the processes and returns handles of some of them.
func sigkill(list []process) []*handle {
	var handles []*handle
	for _, p := range list {
		h := open(p)
		h.signal(unix.SIGKILL)
		if h.gone || len(handles) == maxAwaited {
			h.close()
			continue
		}
		handles = append(handles, h)
	}
	return handles
}

// await waits until the processes have ended or the time is over, and closes the handles.
func await(handles []*handle, atMost time.Duration) {
	deadline := time.Now().Add(atMost)
	var watched []unix.PollFd
	for _, h := range handles {
		defer h.close()
		if h.fd >= 0 {
			watched = append(watched, unix.PollFd{Fd: int32(h.fd), Events: unix.POLLIN})
		}
	}
	if len(watched) < len(handles) {
		// Somebody of whom there is no event: look again soon.
		backoff(handles, deadline)
		return
	}
	for len(watched) > 0 {
		rest := time.Until(deadline)
		if rest <= 0 {
			return
		}
		if _, err := unix.Poll(watched, int(rest.Milliseconds())+1); err != nil && err != unix.EINTR {
			return
		}
		alive := watched[:0]
		for _, w := range watched {
			if w.Revents == 0 {
				alive = append(alive, w)
			}
		}
		watched = alive
	}
}
