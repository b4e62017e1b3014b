package wasm

import (
	"context"
	"sync"

	"github.com/tetratelabs/wazero"

	"github.com/nex-engine/nex/internal/function"
)

// runtime runs the calls of one function. Each has a slot while it runs.
type runtime struct {
	cfg     function.Config
	module  *module
	reactor bool
	engine  *engine
	config  wazero.ModuleConfig
	memory  *memoryPool
	places  chan struct{} // one token in it for each call that runs
	closing chan struct{} // closed when Close begins
	drained chan struct{} // closed when after that no call runs and everything is freed

	mu       sync.Mutex
	compiled []byte // nil if there is nothing, or no longer
	closed   bool
	idle     []*slot // the last one was in use last
	active   map[*slot]context.CancelFunc
}

func newRuntime(cfg function.Config, m *module, e *engine, compiled []byte) *runtime {
	m.sections, m.names = [sectionDataCount + 1][]byte{}, nil // the file may go
	return &runtime{
		cfg: cfg, module: m, reactor: m.isReactor(), engine: e, compiled: compiled, config: commonConfig(cfg),
		memory:  newMemoryPool(memoryLimit(cfg), cfg.Concurrency),
		places:  make(chan struct{}, cfg.Concurrency),
		closing: make(chan struct{}),
		drained: make(chan struct{}),
		active:  map[*slot]context.CancelFunc{},
	}
}

// memoryLimit is what a linear memory may have, in whole pages.
func memoryLimit(cfg function.Config) uint64 {
	return min(uint64(max(0, cfg.MemoryBytes)), maxMemory) / pageBytes * pageBytes
}

// Call runs the function once; see [function.Runtime].
func (r *runtime) Call(ctx context.Context, in function.Call) (function.Result, error) {
	return r.do(ctx, in, (*slot).call)
}

// tryOut makes the first instance, to see that it can be made.
func (r *runtime) tryOut(ctx context.Context) error {
	_, err := r.do(ctx, function.Call{}, (*slot).tryOut)
	return err
}

// do has a slot do its work for a call. It comes back soon after ctx has ended: the function's code looks
// whether it has, and so does all that waits for it.
func (r *runtime) do(ctx context.Context, in function.Call, work func(*slot, *call) error) (function.Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := r.acquire(ctx, cancel)
	if err != nil {
		return function.Result{}, err
	}
	defer r.release(s)
	c := &call{Context: ctx, slot: s, in: in}
	if err := s.run(c, work); err != nil {
		return function.Result{}, err
	}
	return function.Result{Payload: c.reply, Header: c.header}, nil
}

// acquire waits for a place and returns a slot. Close calls cancel from then on until release.
func (r *runtime) acquire(ctx context.Context, cancel context.CancelFunc) (*slot, error) {
	if ctx.Err() != nil {
		return nil, function.Stopped(ctx)
	}
	select {
	case r.places <- struct{}{}:
	case <-ctx.Done():
		return nil, function.Stopped(ctx)
	case <-r.closing:
		return nil, errClosed()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		<-r.places
		return nil, errClosed()
	}
	var s *slot
	if n := len(r.idle); n > 0 {
		s = r.idle[n-1]
		r.idle = r.idle[:n-1]
	} else {
		s = newSlot(r)
	}
	r.active[s] = cancel
	return s, nil
}

// release takes a slot back. The last one after Close frees everything.
func (r *runtime) release(s *slot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.active, s)
	r.idle = append(r.idle, s)
	<-r.places
	if r.closed && len(r.active) == 0 {
		r.freeLocked()
	}
}

// Close ends the runtime; see [function.Runtime].
func (r *runtime) Close() {
	r.mu.Lock()
	if !r.closed {
		r.closed = true
		close(r.closing)
		for _, cancel := range r.active {
			cancel()
		}
		if len(r.active) == 0 {
			r.freeLocked()
		}
	}
	r.mu.Unlock()
	<-r.drained
}

func (r *runtime) freeLocked() {
	for _, s := range r.idle {
		s.drop()
	}
	r.idle = nil
	r.engine.close()
	r.compiled = nil
	r.memory.close()
	close(r.drained)
}

func errClosed() error {
	return function.Errorf(function.StatusUnavailable, "the function has been stopped")
}
