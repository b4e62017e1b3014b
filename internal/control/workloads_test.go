package control_test

import (
	"context"
	"sync"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/control"
	"github.com/nex-engine/nex/internal/workload"
)

var _ control.Workloads = (*workload.Manager)(nil)

// workloads are scripted: what is nil succeeds. What they are asked to do is recorded.
type workloads struct {
	list   []workload.Status
	lines  []nex.LogLine
	deploy func(ctx context.Context, spec workload.Spec) (nex.State, error)
	stop   func(ctx context.Context, s stopCall) error

	full   error
	listed func() // called by List

	mu    sync.Mutex
	specs []workload.Spec
	stops []stopCall
	logs  []logsCall
}

type stopCall struct {
	namespace, id, name, issuer string
	grace                       time.Duration
}

type logsCall struct {
	namespace, idOrName string
	n                   int
}

func (w *workloads) Full() error { return w.full }

func (w *workloads) Active() int { return len(w.list) }

func (w *workloads) List(namespace string) []workload.Status {
	if w.listed != nil {
		w.listed()
	}
	var list []workload.Status
	for _, s := range w.list {
		if s.Spec.Namespace == namespace {
			list = append(list, s)
		}
	}
	return list
}

func (w *workloads) Logs(namespace, idOrName string, n int) []nex.LogLine {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.logs = append(w.logs, logsCall{namespace, idOrName, n})
	return w.lines
}

func (w *workloads) Deploy(ctx context.Context, spec workload.Spec) (nex.State, error) {
	w.mu.Lock()
	w.specs = append(w.specs, spec)
	w.mu.Unlock()
	if w.deploy != nil {
		return w.deploy(ctx, spec)
	}
	return nex.StateRunning, nil
}

func (w *workloads) Stop(ctx context.Context, namespace, id, name, issuer string, grace time.Duration) error {
	call := stopCall{namespace, id, name, issuer, grace}
	w.mu.Lock()
	w.stops = append(w.stops, call)
	w.mu.Unlock()
	if w.stop != nil {
		return w.stop(ctx, call)
	}
	return nil
}

// deployed are the specs so far.
func (w *workloads) deployed() []workload.Spec {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]workload.Spec(nil), w.specs...)
}

// stopped are the stop calls so far.
func (w *workloads) stopped() []stopCall {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]stopCall(nil), w.stops...)
}

// twoNamespaces are workloads of which one has ended.
func twoNamespaces() []workload.Status {
	accepted := time.Now()
	running := workload.Spec{
		ID: "w1", Name: "echo", Namespace: namespace, Description: "says it again", Type: nex.TypeNative, Essential: true,
	}
	ended, other := running, running
	ended.ID, ended.Name, ended.Description, ended.Essential = "w2", "job", "", false
	other.ID, other.Namespace = "w3", "other"
	return []workload.Status{
		{
			Spec: running, State: nex.StateRunning, Reason: "the program runs", Restarts: 2, Accepted: accepted, Started: accepted,
			Digest: digest, Sandbox: nex.SandboxNone,
		},
		{Spec: ended, State: nex.StateFailed, Reason: "the program ended with status 3", Accepted: accepted, Started: accepted, Sandbox: nex.SandboxNone},
		{Spec: other, State: nex.StateStarting, Accepted: accepted},
	}
}
