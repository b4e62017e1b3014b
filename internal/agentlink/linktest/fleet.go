package linktest

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/agentlink/linkhost"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/fake"
)

// Fleet plays the agents of a driver. The zero value plays well-behaved ones. It is safe for
// concurrent use.
type Fleet struct {
	// Script says how the nth agent behaves, counted from 1. Nil plays the zero Script.
	Script func(n int) Script

	mu        sync.Mutex
	started   int
	agents    map[string]*Agent // by id
	workloads map[string]*Agent // by the id of the workload that each was last given
}

// OnStart plays an agent in a new sandbox. It is an OnStart of [fake.Driver].
func (f *Fleet) OnStart(spec sandbox.Spec, i *fake.Instance) {
	bootstrap, err := agentlink.Decode[agentlink.Bootstrap](spec.Bootstrap)
	if err != nil {
		i.End(failed)
		return
	}
	a := f.add(spec.ID)
	i.Go(func(ctx context.Context) nex.Exit { return a.play(ctx, bootstrap) })
}

func (f *Fleet) add(id string) *Agent {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.started++
	a := &Agent{ID: id, fleet: f, exits: make(chan nex.Exit, 1), deaths: make(chan nex.Exit, 1)}
	if f.Script != nil {
		a.script = f.Script(f.started)
	}
	if f.agents == nil {
		f.agents = make(map[string]*Agent)
		f.workloads = make(map[string]*Agent)
	}
	f.agents[id] = a
	return a
}

func (f *Fleet) deployed(workloadID string, a *Agent) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.workloads[workloadID] = a
}

// Agent is the agent with the id, or nil. It has shaken hands if a pool has it.
func (f *Fleet) Agent(id string) *Agent {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.agents[id]
}

// Of is the agent that was last given the workload with the id, or nil.
func (f *Fleet) Of(workloadID string) *Agent {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.workloads[workloadID]
}

// StartHost starts a node's end of the link, which ends with the test.
func StartHost(t testing.TB) *linkhost.Host {
	t.Helper()
	h, err := linkhost.Start(linkhost.Config{NodeID: "NODE", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}
