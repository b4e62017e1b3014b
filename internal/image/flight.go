package image

import "context"

// flight brings an image, or measures one from an earlier process, for all who want the same digest. It
// is cancelled when nobody waits for it any more.
type flight struct {
	ref    Reference // of the caller who started it
	cancel context.CancelCauseFunc

	// Guarded by Store.mu.
	waiters int
	landed  bool

	// Set before done is closed. The entry has a pin for each waiter.
	entry *entry
	err   error
	done  chan struct{}
}

// takeOffLocked starts a flight with one waiter. Without a digest nobody else can join it.
func (s *Store) takeOffLocked(ref Reference) *flight {
	ctx, cancel := context.WithCancelCause(s.ctx)
	f := &flight{ref: ref, cancel: cancel, waiters: 1, done: make(chan struct{})}
	if ref.Digest != "" {
		s.flights[ref.Digest] = f
	}
	s.running.Go(func() {
		e, err := s.obtain(ctx, ref)
		s.land(f, e, err)
		cancel(context.Canceled)
	})
	return f
}

// land ends a flight and hands the entry, which has one pin, to its waiters.
func (s *Store) land(f *flight, e *entry, err error) {
	s.mu.Lock()
	f.entry, f.err, f.landed = e, err, true
	if e != nil {
		e.pins += f.waiters
	}
	s.forgetLocked(f)
	s.mu.Unlock()
	close(f.done)
	if e != nil {
		s.unpin(e)
	}
}

// forgetLocked makes sure that nobody joins the flight any more.
func (s *Store) forgetLocked(f *flight) {
	if s.flights[f.ref.Digest] == f {
		delete(s.flights, f.ref.Digest)
	}
}

// wait returns what the flight brings, with a pin that is the caller's. The ref is the caller's own.
func (s *Store) wait(ctx context.Context, f *flight, ref Reference) (*entry, error) {
	select {
	case <-f.done:
		return f.entry, f.err
	case <-ctx.Done():
		s.leave(f)
		return nil, gaveUp(ctx, ref)
	}
}

// leave takes a waiter off a flight.
func (s *Store) leave(f *flight) {
	s.mu.Lock()
	if f.landed { // while the waiter was leaving
		e := f.entry
		s.mu.Unlock()
		if e != nil {
			s.unpin(e)
		}
		return
	}
	f.waiters--
	if f.waiters == 0 {
		s.forgetLocked(f)
		f.cancel(context.Canceled)
	}
	s.mu.Unlock()
}
