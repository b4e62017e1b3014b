package workload

import (
	"context"
	"io"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/agentlink/linkhost"
	"github.com/nex-engine/nex/internal/function"
	"github.com/nex-engine/nex/internal/hostapi"
)

// Functions connects functions with the world: their triggers and host services.
type Functions interface {
	// Open makes what a function needs beside its agent, such as connections of its own. The ctx
	// bounds it. The error has a code. The caller closes the Function.
	Open(ctx context.Context, spec Spec) (Function, error)
}

// Function is what a function has beside its agent. It outlives agents, so its counts go on when the
// function is started again. It is safe for concurrent use.
type Function interface {
	// Settings tell an agent how the function runs.
	Settings() agentlink.Function
	// Host answers host service requests; see linkhost.Events.
	Host(ctx context.Context, r hostapi.Request) (hostapi.Response, error)
	// Compiled is a file with what an earlier agent has compiled of the artifact with the digest; empty if there
	// is none. It may be gone at any time.
	Compiled(digest string) string
	// KeepCompiled takes what an agent has compiled of the artifact with the digest, for later ones.
	KeepCompiled(digest string, r io.Reader) error
	// Memory is told how many bytes the agent uses.
	Memory(bytes int64)
	// Attach lets calls through to an agent, which runs what has the digest; the error has a code.
	Attach(link *linkhost.Link, digest string) error
	// Detach lets no more calls through, and returns when those under way are answered, or ctx ends. It
	// does nothing when no agent is attached.
	Detach(ctx context.Context)
	// Drain lets no more calls through, for good, and returns when those under way are answered, or ctx
	// ends. The agent stays attached, and another may be.
	Drain(ctx context.Context)
	// Stats are the counts of its calls, also after Close.
	Stats() nex.CallStats
	// Close frees everything; Detach first.
	Close()
}

// openFunction makes the function's part that outlives its agents, if it is a function and that is
// not there yet.
func (w *Workload) openFunction() error {
	if !w.spec.Type.Function() || w.function != nil {
		return nil
	}
	if w.m.cfg.Functions == nil {
		return nex.Errorf(nex.CodeUnsupportedType, "this node runs no functions: choose another node")
	}
	f, err := w.m.cfg.Functions.Open(w.starting, w.spec)
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.function = f
	w.mu.Unlock()
	w.drainLate()
	return nil
}

// opened is the function's part that outlives its agents; nil before openFunction.
func (w *Workload) opened() Function {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.function
}

// errNotOpened is what an agent gets that asks before its function is connected again.
var errNotOpened = hostapi.Errorf(hostapi.CodeInternal, "the function is not connected yet: try again")

// addFunctionEvents adds what the agent of a function tells, which runs what has the digest.
func (w *Workload) addFunctionEvents(e *linkhost.Events, digest string) {
	e.Host = func(ctx context.Context, r hostapi.Request) (hostapi.Response, error) {
		if f := w.opened(); f != nil {
			return f.Host(ctx, r)
		}
		return hostapi.Response{}, errNotOpened
	}
	e.Usage = func(u agentlink.Usage) {
		if f := w.opened(); f != nil {
			f.Memory(u.MemoryBytes)
		}
	}
	if w.spec.Type == nex.TypeWasm {
		e.Compiled = func(from io.Reader, _ int64) error {
			if f := w.opened(); f != nil {
				return f.KeepCompiled(digest, from)
			}
			return errNotOpened
		}
	}
}

func (w *Workload) closeFunction() {
	if w.function != nil {
		w.function.Close()
	}
}

// detachTimeout bounds how long a function whose agent is gone stays connected to its triggers.
const detachTimeout = time.Second

// abandon ends the calls of a function whose agent has ended.
func (w *Workload) abandon(link *linkhost.Link, end outcome) {
	if w.function == nil {
		return
	}
	status, reason := function.StatusFailed, end.reason()
	if w.ctx.Err() != nil {
		status, reason = function.StatusUnavailable, "the function was stopped"
	}
	link.Abandon(agentlink.Answer{Status: status, Message: "the call was not answered: " + reason})
	ctx, cancel := context.WithTimeout(context.Background(), detachTimeout)
	defer cancel()
	w.function.Detach(ctx)
}

// drain lets the calls end that are under way, in the grace period; it returns what is left of that.
// The ctx ends with the agent, which then answers no more.
func (w *Workload) drain(ctx context.Context) time.Duration {
	grace := w.gracePeriod()
	if w.function == nil {
		return grace
	}
	began := time.Now()
	// So that a stop without grace still answers what has arrived.
	ctx, cancel := context.WithTimeout(ctx, max(grace, detachTimeout))
	defer cancel()
	w.function.Detach(ctx)
	return max(0, grace-time.Since(began))
}
