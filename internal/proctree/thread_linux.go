package proctree

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// OffFirstThread calls f locked to a thread of this process that is not its first, and returns when f has:
// on the caller's own thread, unless that is the first. What the kernel says of a process it often says of
// its first thread, so that this is the one that must not stray, not even for a moment: see package cgroup.
func OffFirstThread(f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if unix.Gettid() != os.Getpid() {
		f()
		return
	}
	// This goroutine keeps the first thread until it is done.
	done := make(chan struct{})
	go func() {
		defer close(done)
		OffFirstThread(f)
	}()
	<-done
}
