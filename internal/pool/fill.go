package pool

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nuid"
	"golang.org/x/time/rate"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/sandbox"
)

// fill lets the pool fill itself.
func (p *Pool) fill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fillLocked()
}

// fillLocked starts as many agents as are missing.
func (p *Pool) fillLocked() {
	for !p.closed && !p.retrying && p.starting < maxStarting && len(p.idle)+p.starting < p.cfg.Size+len(p.waiting) {
		p.starting++
		p.group.Go(p.startOne)
	}
}

// startOne starts an agent for the pool.
func (p *Pool) startOne() {
	a, err := p.start(p.ctx)
	if err != nil {
		p.failed(err)
	} else if !p.started(a) {
		a.Release()
	}
}

// started reports false if the pool is closed.
func (p *Pool) started(a *Agent) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.starting--
	p.lastErr = nil
	return p.admitLocked(a)
}

// failed notes a failed start, after which the pool tries again after a while.
func (p *Pool) failed(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.starting--
	p.lastErr = err
	if p.closed || p.retrying {
		return // agents that are started together fail together: that counts once
	}
	d := wait(p.backoff.note(time.Now()))
	p.cfg.Logger.Error("agent did not start", "error", err, "retry_in", d)
	p.retryLocked(d)
}

// lostLocked replaces an agent that was lost before it was leased: at once, unless agents are lost
// one after the other, which is no better than if they did not start.
func (p *Pool) lostLocked() {
	if before := p.backoff.note(time.Now()); before > 0 {
		p.retryLocked(wait(before - 1))
	}
	p.fillLocked()
}

// retryLocked lets the pool start nothing for a while.
func (p *Pool) retryLocked(d time.Duration) {
	if p.closed || p.retrying {
		return
	}
	p.retrying = true
	p.group.Go(func() {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-p.ctx.Done():
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.retrying = false
		p.fillLocked()
	})
}

// start starts one agent of the pool's kind and waits for its handshake.
func (p *Pool) start(ctx context.Context) (*Agent, error) {
	return p.startFor(ctx, Need{Network: p.cfg.Network, Settings: p.cfg.Settings})
}

// leaseCold starts an agent for one workload.
func (p *Pool) leaseCold(ctx context.Context, need Need) (*Agent, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(p.ctx, func() { cancel(errClosed) })()
	p.mu.Lock()
	closed := p.closed
	if !closed {
		p.group.Add(1)
		defer p.group.Done()
	}
	p.mu.Unlock()
	if closed {
		return nil, p.noAgent(ctx)
	}
	select {
	case p.cold <- struct{}{}:
		defer func() { <-p.cold }()
	case <-ctx.Done():
		return nil, p.noAgent(ctx)
	}
	a, err := p.startFor(ctx, need)
	if err != nil {
		return nil, nex.Errorf(nex.CodeNoAgent, "no agent became ready in time: %v", err)
	}
	return a, nil
}

// Pauses before a sandbox that did not end is ended again; they double.
const (
	firstRetire = time.Second
	lastRetire  = time.Minute
)

// retire ends a sandbox that did not end, in the background. What is left when the pool is closed is swept
// when the node starts again.
func (p *Pool) retire(a *Agent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.group.Go(func() {
		for pause := firstRetire; ; pause = min(2*pause, lastRetire) {
			timer := time.NewTimer(pause)
			select {
			case <-timer.C:
			case <-p.ctx.Done():
				timer.Stop()
				return
			}
			if a.destroy() == nil {
				a.log.Info("sandbox has ended at last")
				return
			}
		}
	})
}

// startFor starts one agent and waits for its handshake.
func (p *Pool) startFor(ctx context.Context, need Need) (*Agent, error) {
	caps := p.cfg.Driver.Capabilities()
	within := p.cfg.HandshakeTimeout + caps.StartTimeout
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("the agent did not shake hands within %s", within))
	defer cancel()
	id := nuid.Next()
	link, err := p.cfg.Host.Admit(id)
	if err != nil {
		return nil, fmt.Errorf("start agent: %w", err)
	}
	log := p.cfg.Logger.With("agent", id)
	instance, err := p.cfg.Driver.Start(ctx, sandbox.Spec{
		ID: id, Bootstrap: link.Bootstrap(caps.LinkDir, caps.HostNetwork), LinkDir: link.Dir(),
		Network: need.Network, Rootfs: need.Rootfs, Settings: need.Settings,
		Log: says(log),
	})
	if err != nil {
		link.Close()
		return nil, fmt.Errorf("start agent: %w", err)
	}
	a := &Agent{ID: id, Instance: instance, Link: link, settings: need.Settings, pool: p, log: log}
	a.Hello, err = p.awaitHandshake(ctx, a)
	if err == nil && a.Hello.Version != nex.Version { // one that is started now; see Adopt for others
		err = fmt.Errorf("start agent: it is of version %s, this node of %s: install nex and nex-agent of one version", a.Hello.Version, nex.Version)
	}
	if err != nil {
		a.Release()
		return nil, err
	}
	a.ready = time.Now()
	log.Info("received agent handshake", "version", a.Hello.Version, "sandbox", caps.Level)
	return a, nil
}

// awaitHandshake ends early when the agent does.
func (p *Pool) awaitHandshake(ctx context.Context, a *Agent) (agentlink.Handshake, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p.group.Go(func() {
		select {
		case <-a.Instance.Done():
			cancel(fmt.Errorf("the agent %s before its handshake", a.Instance.Exit()))
		case <-ctx.Done():
		}
	})
	hello, err := a.Link.Handshake(ctx)
	return hello, err
}

// says puts the lines that an agent prints into the node's log, which it cannot fill.
func says(log *slog.Logger) func(line string) {
	some := rate.Sometimes{First: 20, Interval: time.Second}
	return func(line string) { some.Do(func() { log.Warn("agent says", "line", line) }) }
}
