package workload

import (
	"context"
	"sync"
)

// Drain lets no more calls through to any function, for good, and returns when those that have arrived
// are answered, or ctx ends. Nothing is stopped, and what fails is started again, but Deploy fails from
// then on.
func (m *Manager) Drain(ctx context.Context) {
	m.mu.Lock()
	m.draining = true
	m.mu.Unlock()
	var group sync.WaitGroup
	for _, w := range m.find(func(s Spec) bool { return s.Type.Function() }) {
		group.Go(func() { w.drainFunction(ctx) })
	}
	group.Wait()
}

// AwaitIdle returns when no service or job runs or is to run again, or ctx ends. Workloads that are
// deployed later do not count: Drain first.
func (m *Manager) AwaitIdle(ctx context.Context) {
	for _, w := range m.find(func(s Spec) bool { return !s.Type.Function() }) {
		select {
		case <-w.done:
		case <-ctx.Done():
			return
		}
	}
}

// drainFunction gives back the triggers of a function.
func (w *Workload) drainFunction(ctx context.Context) {
	w.mu.Lock()
	f := w.function
	w.mu.Unlock()
	if f != nil {
		f.Drain(ctx)
	}
}

// drainLate gives back the triggers of a function that was being made when the others gave theirs back.
func (w *Workload) drainLate() {
	w.m.mu.Lock()
	draining := w.m.draining
	w.m.mu.Unlock()
	if draining {
		w.drainFunction(w.ctx) // nothing is attached yet, so that it does not wait
	}
}
