package pool

import (
	"context"
	"slices"

	nex "github.com/nex-engine/nex"
)

// Lease hands out an agent, an idle one if there is one, else the next that comes up; those who
// wait are served in the order of their arrival. The caller owns the agent and releases it. When
// ctx ends first, or the pool is closed, the error has code [nex.CodeNoAgent] and says why agents do
// not start, if they do not.
func (p *Pool) Lease(ctx context.Context) (*Agent, error) {
	for {
		a, err := p.next(ctx)
		if err != nil {
			return nil, err
		}
		err = p.check(ctx, a)
		switch {
		case err == nil:
			return a, nil
		case ctx.Err() != nil:
			p.giveBack(a) // there was no time to find out whether it is well
		default:
			p.cfg.Logger.Warn("replacing an agent that does not answer", "agent", a.ID, "error", err)
			p.discard(a)
		}
	}
}

// check asks an agent whether it is well.
func (p *Pool) check(ctx context.Context, a *Agent) error {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.PingTimeout)
	defer cancel()
	return a.Link.Ping(ctx)
}

// next takes an idle agent, or waits for one.
func (p *Pool) next(ctx context.Context) (*Agent, error) {
	a, mine := p.enter(ctx)
	if a != nil {
		return a, nil
	}
	select { // from nil for ever, if there was no place in the queue
	case a := <-mine:
		return a, nil
	case <-ctx.Done():
	case <-p.ctx.Done():
	}
	if a := p.leave(mine); a != nil {
		p.giveBack(a)
	}
	return nil, p.noAgent(ctx)
}

// enter takes an idle agent, or else a place in the queue. It returns neither if ctx has ended or the
// pool is closed.
func (p *Pool) enter(ctx context.Context) (*Agent, chan *Agent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ctx.Err() != nil || p.closed {
		return nil, nil
	}
	defer p.fillLocked()
	if a := p.takeLocked(); a != nil {
		return a, nil
	}
	mine := make(chan *Agent, 1)
	p.waiting = append(p.waiting, mine)
	return nil, mine
}

// leave takes a waiter out of the queue and returns the agent that it was handed meanwhile, if any.
func (p *Pool) leave(mine chan *Agent) *Agent {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.waiting, mine); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	}
	select {
	case a := <-mine:
		return a
	default:
		return nil
	}
}

// giveBack lets the next caller of Lease have an agent.
func (p *Pool) giveBack(a *Agent) {
	p.mu.Lock()
	admitted := p.admitLocked(a)
	p.mu.Unlock()
	if !admitted {
		a.Release()
	}
}

// discard ends an agent that is of no use; nobody waits for that but Close.
func (p *Pool) discard(a *Agent) {
	if !p.replace(a) {
		a.Release()
	}
}

// replace reports false if the pool is closed.
func (p *Pool) replace(a *Agent) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.group.Go(a.Release)
	p.lostLocked()
	return true
}

// noAgent is why Lease has failed.
func (p *Pool) noAgent(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return nex.Errorf(nex.CodeNoAgent, "no agent can be leased: %v", errClosed)
	case p.lastErr != nil:
		return nex.Errorf(nex.CodeNoAgent, "no agent became ready in time: %v", p.lastErr)
	}
	return nex.Errorf(nex.CodeNoAgent, "no agent became ready in time: %v", context.Cause(ctx))
}
