package castore_test

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/nex-engine/nex/internal/castore"
)

// slow is work that goes on until it is let go or its ctx ends.
type slow struct {
	x       *index
	s       *shelf
	started chan struct{}
	release chan error
	ended   chan error // the cause of its ctx
}

func newSlow(x *index, s *shelf) *slow {
	return &slow{x: x, s: s, started: make(chan struct{}, 10), release: make(chan error), ended: make(chan error, 10)}
}

func (w *slow) obtain(ctx context.Context) (*entry, error) {
	w.started <- struct{}{}
	select {
	case err := <-w.release:
		if err != nil {
			return nil, err
		}
		return bring(w.x, w.s, "a", 1)(ctx)
	case <-ctx.Done():
		w.ended <- context.Cause(ctx)
		return nil, context.Cause(ctx)
	}
}

type answer struct {
	e   *entry
	err error
}

// start calls Get for a in the background.
func (w *slow) start(ctx context.Context, source string) <-chan answer {
	c := make(chan answer, 1)
	go func() {
		e, err := w.x.Get(ctx, "a", source, w.obtain)
		c <- answer{e, err}
	}()
	return c
}

// awaitWaiters returns when so many wait for a.
func (w *slow) awaitWaiters(n int) {
	for w.x.Waiters("a") != n {
		runtime.Gosched()
	}
}

func TestCallersShareTheWork(t *testing.T) {
	t.Parallel()
	x, s := open(t, castore.Config{})
	w := newSlow(x, s)
	one, two := w.start(t.Context(), "here"), w.start(t.Context(), "there")
	<-w.started
	w.awaitWaiters(2)
	w.release <- nil
	a, b := <-one, <-two
	if a.err != nil || b.err != nil || a.e == nil || a.e != b.e {
		t.Fatalf("got %+v and %+v, want the same", a, b)
	}
	// Each has a pin.
	big := get(t, x, "big", bring(x, s, "big", 10))
	x.Unpin(a.e)
	s.want(t, "a", "big")
	x.Unpin(b.e)
	s.want(t, "big")
	x.Unpin(big)
	if len(w.started) != 0 || x.Waiters("a") != 0 {
		t.Errorf("the work was done %d times more, and %d wait", len(w.started), x.Waiters("a"))
	}
}

func TestWithoutDigestNothingIsShared(t *testing.T) {
	t.Parallel()
	x, s := open(t, castore.Config{})
	inner := func(context.Context) (*entry, error) {
		return x.Get(t.Context(), "", "source", bring(x, s, "a", 1)) // it would wait for itself
	}
	x.Unpin(get(t, x, "", inner))
	s.want(t, "a")
}

func TestWorkGoesOnForWhoWaits(t *testing.T) {
	t.Parallel()
	x, s := open(t, castore.Config{})
	w := newSlow(x, s)
	ctx, cancel := context.WithCancel(t.Context())
	one, two := w.start(ctx, "here"), w.start(t.Context(), "here")
	<-w.started
	w.awaitWaiters(2)
	cancel()
	if a := <-one; !errors.Is(a.err, castore.ErrGaveUp) {
		t.Errorf("who gave up got %+v, want %v", a, castore.ErrGaveUp)
	}
	w.release <- nil
	b := <-two
	if b.err != nil {
		t.Fatal(b.err)
	}
	x.Unpin(b.e)
}

func TestWorkEndsWithTheLastWaiter(t *testing.T) {
	t.Parallel()
	x, s := open(t, castore.Config{})
	w := newSlow(x, s)
	ctx, cancel := context.WithCancel(t.Context())
	one := w.start(ctx, "here")
	<-w.started
	cancel()
	if a := <-one; !errors.Is(a.err, castore.ErrGaveUp) {
		t.Errorf("got %+v, want %v", a, castore.ErrGaveUp)
	}
	if err := <-w.ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the work ended for %v", err)
	}
	// Nobody joins what was given up.
	x.Unpin(get(t, x, "a", bring(x, s, "a", 1)))
}

// The failure of another's source is no reason to fail.
func TestErrorOfAnotherSource(t *testing.T) {
	t.Parallel()
	x, s := open(t, castore.Config{})
	w := newSlow(x, s)
	one := w.start(t.Context(), "here")
	<-w.started
	same, other := w.start(t.Context(), "here"), w.start(t.Context(), "there")
	w.awaitWaiters(3)
	broken := errors.New("broken")
	w.release <- broken
	for _, c := range []<-chan answer{one, same} {
		if a := <-c; !errors.Is(a.err, broken) {
			t.Errorf("got %+v, want %v", a, broken)
		}
	}
	<-w.started
	w.release <- nil
	a := <-other
	if a.err != nil {
		t.Fatal(a.err)
	}
	x.Unpin(a.e)
}

func TestClose(t *testing.T) {
	t.Parallel()
	x, s := open(t, castore.Config{})
	w := newSlow(x, s)
	one := w.start(t.Context(), "here")
	<-w.started
	down := errors.New("the node goes down")
	x.Close(down)
	if a := <-one; !errors.Is(a.err, down) {
		t.Errorf("got %+v, want %v", a, down)
	}
	if err := <-w.ended; !errors.Is(err, down) {
		t.Errorf("the work ended for %v, want %v", err, down)
	}
	if e, err := x.Get(t.Context(), "a", "here", never(t)); e != nil || !errors.Is(err, castore.ErrClosed) {
		t.Errorf("Get = %+v, %v, want %v", e, err, castore.ErrClosed)
	}
}
