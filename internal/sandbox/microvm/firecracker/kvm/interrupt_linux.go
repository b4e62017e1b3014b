package kvm

import (
	"context"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// interrupt makes the calling thread leave its virtual processor when the budget is used up or ctx ends, and
// sets late before. Whoever calls stop may free the page that is shared with KVM.
func interrupt(ctx context.Context, late *atomic.Bool, leave *byte) (stop func()) {
	ctx, cancel := context.WithTimeout(ctx, budget)
	pid, thread := unix.Getpid(), unix.Gettid()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		<-ctx.Done()
		late.Store(true)
		*leave = 1 // should the processor not run at this moment, it does not start either
		// What Go sends its threads itself does nothing but interrupt.
		_ = unix.Tgkill(pid, thread, unix.SIGURG)
	}()
	return func() { cancel(); <-ended }
}
