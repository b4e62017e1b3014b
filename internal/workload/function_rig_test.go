package workload_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/agentlink/linkhost"
	"github.com/nex-engine/nex/internal/hostapi"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/workload"
)

// functions makes connections of functions that remember what was asked of them. A test may change
// what is exported before the rig is started.
type functions struct {
	// OnOpen, OnAttach and OnDetach are called first, and may wait or fail.
	OnOpen   func(context.Context) error
	OnAttach func(n int) error // n counts the calls of one function from 1
	OnDetach func(context.Context)
	OnDrain  func(context.Context)
	// Code is a file with compiled code of all functions; empty for none.
	Code string

	mu      sync.Mutex
	opened  []*connection
	changed chan struct{} // closed and replaced when something was asked
}

// connection is a workload.Function.
type connection struct {
	f    *functions
	spec workload.Spec

	// What follows is guarded by functions.mu.
	steps    []string
	link     *linkhost.Link // while attached
	attaches int
	called   int
	answers  []agentlink.Answer
	memory   int64
	kept     []string // digests, and what was compiled
	stats    nex.CallStats
	closed   bool
}

func newFunctions() *functions { return &functions{changed: make(chan struct{})} }

func (f *functions) Open(ctx context.Context, spec workload.Spec) (workload.Function, error) {
	if f.OnOpen != nil {
		if err := f.OnOpen(ctx); err != nil {
			return nil, err
		}
	}
	c := &connection{f: f, spec: spec}
	f.note(func() { f.opened = append(f.opened, c) })
	return c, nil
}

// note changes something and wakes those that await it.
func (f *functions) note(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	close(f.changed)
	f.changed = make(chan struct{})
}

// of is what was opened for a workload.
func (f *functions) of(id string) (list []*connection) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.opened {
		if c.spec.ID == id {
			list = append(list, c)
		}
	}
	return list
}

// one is what was opened for a workload, once.
func (r *rig) one(s workload.Spec) *connection {
	r.Helper()
	list := r.functions.of(s.ID)
	if len(list) != 1 {
		r.Fatalf("workload %s was opened %d times, want once", s.ID, len(list))
	}
	return list[0]
}

// step notes what was asked.
func (c *connection) step(format string, args ...any) {
	c.f.note(func() {
		if c.closed {
			format = "after Close: " + format
		}
		c.steps = append(c.steps, fmt.Sprintf(format, args...))
	})
}

// path is all that was asked.
func (c *connection) path() []string {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	return slices.Clone(c.steps)
}

// await waits until cond, which is called under functions.mu, holds.
func (c *connection) await(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for {
		c.f.mu.Lock()
		ok, changed := cond(), c.f.changed
		c.f.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-time.After(nextest.Patience):
			t.Fatalf("waited in vain for %s; it was asked %q", what, c.path())
		}
	}
}

func (c *connection) Settings() agentlink.Function {
	return agentlink.Function{Concurrency: 3, Queue: 4, MemoryBytes: 5, ProcessBytes: 6, MaxResultBytes: 7}
}

func (c *connection) Host(_ context.Context, r hostapi.Request) (hostapi.Response, error) {
	return hostapi.Response{Body: []byte(c.spec.ID + " " + r.Service + "." + r.Method)}, nil
}

func (c *connection) Compiled(string) string { return c.f.Code }

func (c *connection) KeepCompiled(digest string, r io.Reader) error {
	content, err := io.ReadAll(r)
	c.f.note(func() { c.kept = append(c.kept, digest, string(content)) })
	return err
}

func (c *connection) Memory(bytes int64) { c.f.note(func() { c.memory = bytes }) }

func (c *connection) Attach(link *linkhost.Link, digest string) error {
	var n int
	c.f.note(func() {
		c.attaches++
		n = c.attaches
	})
	if c.f.OnAttach != nil {
		if err := c.f.OnAttach(n); err != nil {
			c.step("Attach fails")
			return err
		}
	}
	c.step("Attach %.8s", digest)
	c.f.note(func() { c.link = link })
	return nil
}

func (c *connection) Detach(ctx context.Context) {
	if c.f.OnDetach != nil {
		c.f.OnDetach(ctx)
	}
	c.f.mu.Lock()
	attached := c.link != nil
	c.f.mu.Unlock()
	if attached { // else it does nothing
		c.step("Detach")
	}
	c.f.note(func() { c.link = nil })
}

func (c *connection) Drain(ctx context.Context) {
	if c.f.OnDrain != nil {
		c.f.OnDrain(ctx)
	}
	c.step("Drain")
}

func (c *connection) Stats() nex.CallStats {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	return c.stats
}

func (c *connection) Close() {
	c.step("Close")
	c.f.note(func() { c.closed = true })
}

// call calls the function as a trigger would, and counts the call when it is answered. It reports
// false if no agent is attached.
func (c *connection) call(payload string) bool {
	c.f.mu.Lock()
	link := c.link
	if link != nil {
		c.called++
	}
	c.f.mu.Unlock()
	if link == nil {
		return false
	}
	link.Call(agentlink.Trigger{Timeout: time.Hour, Payload: []byte(payload)}, func(a agentlink.Answer) {
		c.f.note(func() {
			c.answers = append(c.answers, a)
			c.stats.Total++
		})
	})
	return true
}

// all is everything that was opened.
func (f *functions) all() []*connection {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.opened)
}

// function is a workload that is a function.
func (r *rig) function(name string) workload.Spec {
	s := r.spec(name)
	s.Type, s.Triggers = nex.TypeWasm, []string{"test." + name}
	return s
}

// checkFunctions checks that nothing was asked of a function in the wrong order, and that each was closed once.
func (r *rig) checkFunctions() {
	r.Helper()
	r.functions.mu.Lock()
	defer r.functions.mu.Unlock()
	for _, c := range r.functions.opened {
		attached, closed := false, 0
		for _, step := range c.steps {
			wrong := closed > 0
			switch step {
			case "Close":
				wrong = wrong || attached
				closed++
			case "Detach":
				wrong = wrong || !attached
				attached = false
			case "Drain": // whatever there is
			case "Attach fails", "Undeploy":
				wrong = wrong || attached
			default:
				wrong = wrong || attached
				attached = true
			}
			if wrong {
				r.Errorf("function %s was asked %s in the wrong order: %q", c.spec.ID, step, c.steps)
			}
		}
		if closed != 1 {
			r.Errorf("function %s was closed %d times: %q", c.spec.ID, closed, c.steps)
		}
	}
}
