package artifact

import "context"

// flight is one download, or the verification of a file from an earlier process, for all who want
// the same digest. It is cancelled when nobody waits for it any more.
type flight struct {
	ref    Ref // of the caller who started it
	cancel context.CancelCauseFunc

	// Guarded by Cache.mu.
	waiters int
	landed  bool

	// Set before done is closed. The entry has a pin for each waiter.
	entry *entry
	err   error
	done  chan struct{}
}

// takeOffLocked starts a flight with one waiter. Without a digest nobody else can join it.
func (c *Cache) takeOffLocked(ref Ref) *flight {
	ctx, cancel := context.WithCancelCause(c.ctx)
	f := &flight{ref: ref, cancel: cancel, waiters: 1, done: make(chan struct{})}
	if ref.Digest != "" {
		c.flights[ref.Digest] = f
	}
	c.running.Go(func() {
		e, err := c.obtain(ctx, ref)
		c.land(f, e, err)
		cancel(context.Canceled)
	})
	return f
}

// land ends a flight and hands the entry, which has one pin, to its waiters.
func (c *Cache) land(f *flight, e *entry, err error) {
	c.mu.Lock()
	f.entry, f.err, f.landed = e, err, true
	if e != nil {
		e.pins += f.waiters
	}
	c.forgetLocked(f)
	c.mu.Unlock()
	close(f.done)
	if e != nil {
		c.unpin(e)
	}
}

// forgetLocked makes sure that nobody joins the flight any more.
func (c *Cache) forgetLocked(f *flight) {
	if c.flights[f.ref.Digest] == f {
		delete(c.flights, f.ref.Digest)
	}
}

// wait returns what the flight brings, with a pin that is the caller's. The ref is the caller's own.
func (c *Cache) wait(ctx context.Context, f *flight, ref Ref) (*entry, error) {
	select {
	case <-f.done:
		return f.entry, f.err
	case <-ctx.Done():
		c.leave(f)
		return nil, gaveUp(ctx, ref)
	}
}

// leave takes a waiter off a flight.
func (c *Cache) leave(f *flight) {
	c.mu.Lock()
	if f.landed { // while the waiter was leaving
		e := f.entry
		c.mu.Unlock()
		if e != nil {
			c.unpin(e)
		}
		return
	}
	f.waiters--
	if f.waiters == 0 {
		c.forgetLocked(f)
		f.cancel(context.Canceled)
	}
	c.mu.Unlock()
}
