package artifact

import (
	"context"
	"fmt"
	"io"
	"time"
)

// guard bounds how long a source may make no progress, however long the whole may take. Its ctx
// ends when the parent's does or when that time is over. It is used by one goroutine at a time.
type guard struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	paused bool
	stall  time.Duration
}

// newGuard starts the clock. The caller calls stop.
func newGuard(parent context.Context, stall time.Duration) *guard {
	g := &guard{stall: stall}
	g.ctx, g.cancel = context.WithCancelCause(parent)
	g.timer = time.AfterFunc(stall, func() {
		g.cancel(fmt.Errorf("nothing came for %v", stall))
	})
	return g
}

// pause stops the clock: there was progress, and it is not the source that is waited for.
func (g *guard) pause() {
	g.timer.Stop()
	g.paused = true
}

// resume starts the clock anew if it is stopped.
func (g *guard) resume() {
	if g.paused {
		g.timer.Reset(g.stall)
		g.paused = false
	}
}

func (g *guard) stop() {
	g.timer.Stop()
	g.cancel(context.Canceled)
}

// explain returns why the ctx has ended, if it has, in the place of the error that this made.
func (g *guard) explain(err error) error {
	if g.ctx.Err() != nil {
		return context.Cause(g.ctx)
	}
	return err
}

// guarded is a body whose reads are guarded; the time between them does not count. Closing it stops the guard.
type guarded struct {
	guard *guard
	body  io.ReadCloser
}

func (r guarded) Read(p []byte) (int, error) {
	if r.guard.ctx.Err() != nil {
		return 0, context.Cause(r.guard.ctx)
	}
	r.guard.resume()
	n, err := r.body.Read(p)
	if n > 0 {
		r.guard.pause()
	}
	switch {
	case err == io.EOF && r.guard.ctx.Err() != nil:
		err = context.Cause(r.guard.ctx) // a source that sees us leave may end its answer in order
	case err != nil && err != io.EOF:
		err = r.guard.explain(err)
	}
	return n, err
}

// Close ends the ctx first: the body may be waiting for it.
func (r guarded) Close() error {
	r.guard.stop()
	return r.body.Close()
}
