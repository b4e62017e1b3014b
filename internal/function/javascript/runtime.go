//go:build cgo && linux && (amd64 || arm64)

package javascript

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nex-engine/nex/internal/function"
)

// runtime runs the calls of one function on a pool of engines. The last one used is the next, so that
// calls that come one by one share one that is warm.
type runtime struct {
	cfg     function.Config
	program *program
	times   times
	slots   chan struct{} // holds one for each engine in use
	closing chan struct{} // closed when the runtime is
	stuck   chan struct{} // closed when an engine was lost of which no caller has been told
	group   sync.WaitGroup

	mu     sync.Mutex
	idle   []*engine
	closed bool
	lost   bool // stuck is closed
}

// times are how long things may take that no caller waits for.
type times struct {
	reload time.Duration // replacing an isolate
	shrink time.Duration // before an idle isolate gives a large mailbox back
}

var standardTimes = times{reload: 10 * time.Second, shrink: 5 * time.Second}

var errClosed = function.Errorf(function.StatusUnavailable, "the function is being stopped")

// Load loads the function: see the package's documentation for what it may be.
func Load(ctx context.Context, cfg function.Config) (function.Runtime, error) {
	return load(ctx, cfg, standardTimes)
}

func load(ctx context.Context, cfg function.Config, times times) (function.Runtime, error) {
	if ctx.Err() != nil {
		return nil, function.Stopped(ctx)
	}
	p, err := readProgram(&cfg)
	if err != nil {
		return nil, err
	}
	r := &runtime{
		cfg: cfg, program: p, times: times,
		slots: make(chan struct{}, max(cfg.Concurrency, 1)), closing: make(chan struct{}), stuck: make(chan struct{}),
	}
	e := r.newEngine()
	o, err := e.do(task{kind: taskLoad, ctx: ctx})
	if err != nil {
		return nil, err // stuck: there is nothing that could be closed
	}
	if o.err != nil {
		e.close()
		return nil, loadRefused(o.err)
	}
	r.idle = append(r.idle, e)
	return r, nil
}

// loadRefused gives the errors of loading the status that says that the artifact is not in order.
func loadRefused(err error) error {
	var e *function.Error
	if !errors.As(err, &e) {
		return err
	}
	refused := *e
	switch e.Status {
	case function.StatusTimeout:
		refused.Status = function.StatusBadRequest
		refused.Message = "the function did not finish loading in time: the code outside of its function must come to an end soon"
	case function.StatusFailed:
		refused.Status = function.StatusBadRequest
		refused.Message = "the function cannot be loaded: " + e.Message
	}
	return &refused
}

// Call runs the function once.
func (r *runtime) Call(ctx context.Context, c function.Call) (function.Result, error) {
	if err := r.enter(ctx); err != nil {
		return function.Result{}, err
	}
	defer r.group.Done()
	e := r.take()
	o, err := e.do(task{kind: taskCall, ctx: ctx, call: c})
	if err != nil {
		return function.Result{}, err // the engine is stuck, and so is its slot
	}
	if o.after == taskCall {
		r.put(e)
	} else {
		r.group.Go(func() { r.mend(e, o.after) })
	}
	return o.result, o.err
}

// enter waits for a slot. After it the caller counts in the group.
func (r *runtime) enter(ctx context.Context) error {
	if ctx.Err() != nil {
		return function.Stopped(ctx)
	}
	select {
	case r.slots <- struct{}{}:
	case <-r.stuck:
		return fmt.Errorf("javascript: loading it anew: %w", function.ErrStuck)
	case <-r.closing:
		return errClosed
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return function.Errorf(function.StatusTimeout, "the function was busy with other calls until the deadline")
		}
		return function.Stopped(ctx)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return errClosed
	}
	r.group.Add(1)
	return nil
}

// take takes an engine for a slot.
func (r *runtime) take() *engine {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.idle); n > 0 {
		e := r.idle[n-1]
		r.idle = r.idle[:n-1]
		return e
	}
	return r.newEngine()
}

func (r *runtime) newEngine() *engine {
	return newEngine(&r.cfg, r.program, r.closing, r.times)
}

// put gives an engine and its slot back.
func (r *runtime) put(e *engine) {
	r.mu.Lock()
	r.idle = append(r.idle, e)
	r.mu.Unlock()
	<-r.slots
}

// mend lets an engine do what it needs after a call, while the caller has its answer.
func (r *runtime) mend(e *engine, kind taskKind) {
	ctx, cancel := context.WithTimeout(context.Background(), r.times.reload)
	defer cancel()
	if _, err := e.do(task{kind: kind, ctx: ctx}); err != nil {
		r.lose()
		return
	}
	// If it has no isolate now, the next call finds out why.
	r.put(e)
}

// lose lets the next caller know that an engine is stuck.
func (r *runtime) lose() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.lost {
		r.lost = true
		close(r.stuck)
	}
}

// Close stops the calls, waits for them, and frees the isolates. One that cannot be stopped stays.
func (r *runtime) Close() {
	r.mu.Lock()
	if !r.closed {
		r.closed = true
		close(r.closing)
	}
	r.mu.Unlock()
	r.group.Wait()
	r.mu.Lock()
	idle := r.idle
	r.idle = nil
	r.mu.Unlock()
	for _, e := range idle {
		e.close()
	}
}
