package pool

import (
	"context"
	"errors"
	"fmt"

	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/agentlink/linkhost"
	"github.com/nex-engine/nex/internal/sandbox"
)

// Adopt takes over the agent with the id that an earlier node process has leased, with or without a network,
// and lets it in again: from then on e is told what it says. [Agent.Return] has it come back.
// The error is or wraps [sandbox.ErrGone] when there is none any more. The caller owns the agent and releases it.
func (p *Pools) Adopt(ctx context.Context, id string, network bool, e linkhost.Events) (*Agent, error) {
	from, err := p.of(network)
	if err != nil {
		return nil, err
	}
	return from.adopt(ctx, id, e)
}

func (p *Pool) adopt(ctx context.Context, id string, e linkhost.Events) (*Agent, error) {
	driver, ok := p.cfg.Driver.(sandbox.Adopter)
	if !ok {
		return nil, sandbox.ErrGone
	}
	log := p.cfg.Logger.With("agent", id)
	instance, err := driver.Adopt(ctx, id, says(log))
	if err != nil {
		return nil, err
	}
	a := &Agent{ID: id, Instance: instance, pool: p, log: log}
	if a.Link, err = p.cfg.Host.Readmit(id, e); err != nil {
		return nil, errors.Join(err, a.destroy())
	}
	return a, nil
}

// Return tells an adopted agent to come back, waits until it has, and returns what it holds. It fails early when
// the agent ends.
func (a *Agent) Return(ctx context.Context) (agentlink.Held, error) {
	if err := a.Link.Wake(); err != nil {
		a.log.Warn("agent cannot be told that its node is back; it comes by itself, a little later", "error", err)
	}
	hello, err := a.pool.awaitHandshake(ctx, a)
	switch {
	case err != nil:
		return agentlink.Held{}, err
	case hello.Held == nil:
		return agentlink.Held{}, fmt.Errorf("agent %s holds no workload", a.ID)
	}
	a.Hello = hello
	a.log.Info("agent has come back", "version", hello.Version)
	return *hello.Held, nil
}
