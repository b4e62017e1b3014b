package castore

import "context"

// flight brings an entry, or checks one of an earlier process, for all who want the same digest. It is
// cancelled when nobody waits for it any more.
type flight[V any] struct {
	digest string
	source string // of the caller who started it
	cancel context.CancelCauseFunc

	// Guarded by Index.mu.
	waiters int
	landed  bool

	// Set before done is closed. The entry has a pin for each waiter.
	entry *Entry[V]
	err   error
	done  chan struct{}
}

// takeOffLocked starts a flight with one waiter. Without a digest nobody else can join it.
func (x *Index[V]) takeOffLocked(digest, source string, obtain ObtainFunc[V]) *flight[V] {
	ctx, cancel := context.WithCancelCause(x.ctx)
	f := &flight[V]{digest: digest, source: source, cancel: cancel, waiters: 1, done: make(chan struct{})}
	if digest != "" {
		x.flights[digest] = f
	}
	x.running.Go(func() {
		e, err := obtain(ctx)
		x.land(f, e, err)
		cancel(context.Canceled)
	})
	return f
}

// land ends a flight and hands the entry, which has one pin, to its waiters. When they have it no other pin
// is left, and what had to make room for it is gone.
func (x *Index[V]) land(f *flight[V], e *Entry[V], err error) {
	x.mu.Lock()
	f.entry, f.err, f.landed = e, err, true
	if e != nil {
		e.pins += f.waiters
	}
	x.forgetLocked(f)
	x.mu.Unlock()
	if e != nil {
		x.Unpin(e)
	}
	close(f.done)
}

// forgetLocked makes sure that nobody joins the flight any more.
func (x *Index[V]) forgetLocked(f *flight[V]) {
	if x.flights[f.digest] == f {
		delete(x.flights, f.digest)
	}
}

// wait returns what the flight brings, with a pin that is the caller's.
func (x *Index[V]) wait(ctx context.Context, f *flight[V]) (*Entry[V], error) {
	select {
	case <-f.done:
		return f.entry, f.err
	case <-ctx.Done():
		x.leave(f)
		return nil, ErrGaveUp
	}
}

// leave takes a waiter off a flight.
func (x *Index[V]) leave(f *flight[V]) {
	x.mu.Lock()
	if f.landed { // while the waiter was leaving
		e := f.entry
		x.mu.Unlock()
		if e != nil {
			x.Unpin(e)
		}
		return
	}
	f.waiters--
	if f.waiters == 0 {
		x.forgetLocked(f)
		f.cancel(context.Canceled)
	}
	x.mu.Unlock()
}
