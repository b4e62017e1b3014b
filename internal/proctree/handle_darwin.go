package proctree

import (
	"time"

	"golang.org/x/sys/unix"
)

// handle is a process that is checked just before it gets a signal; the system has nothing better.
type handle struct {
	process process
	gone    bool
}

func open(p process) *handle {
	now, err := readProcess(p.pid)
	return &handle{process: p, gone: err != nil || now.start != p.start || now.ended}
}

func (h *handle) signal(sig unix.Signal) {
	if !h.gone {
		_ = unix.Kill(h.process.pid, sig) // who does not get it is seen in the next pass
	}
}

func (h *handle) close() {}

// sigkill kills the processes and returns handles of them.
func sigkill(list []process) []*handle {
	var handles []*handle
	for _, p := range list {
		h := open(p)
		h.signal(unix.SIGKILL)
		handles = append(handles, h)
	}
	return handles
}

// await waits until the processes have ended or the time is over.
func await(handles []*handle, atMost time.Duration) {
	backoff(handles, time.Now().Add(atMost))
}
