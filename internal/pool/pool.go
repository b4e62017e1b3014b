// Package pool keeps agents started ahead of need, so that a deploy does not wait for a sandbox.
//
// A pool holds the agents of one driver. An agent enters the pool when it has shaken hands and
// leaves it when it is leased, by id, to exactly one workload, or when it dies. The pool refills
// itself at once.
package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nuid"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/agentlink/linkhost"
	"github.com/nex-engine/nex/internal/sandbox"
)

// Config says what agents to keep.
type Config struct {
	// Driver makes the sandboxes, Host the links. Both are required and outlive the pool.
	Driver sandbox.Driver
	Host   *linkhost.Host
	// Size is the number of idle agents to keep; 0 starts each agent when it is needed.
	Size int
	// HandshakeTimeout bounds the time from an agent's start to its handshake; 0 means 5 s.
	HandshakeTimeout time.Duration
	// PingTimeout bounds the check that an idle agent still answers before it is leased; 0 means
	// 750 ms.
	PingTimeout time.Duration
	// Logger is required.
	Logger *slog.Logger
}

// Bounds of refilling.
const (
	maxStarting    = 4 // agents being started at once
	firstRetry     = 100 * time.Millisecond
	lastRetry      = 10 * time.Second
	destroyTimeout = 10 * time.Second
)

// Pool keeps agents. It is safe for concurrent use.
type Pool struct {
	cfg    Config
	ctx    context.Context // ends with Close; bounds starting, not the life of leased agents
	cancel context.CancelCauseFunc
	group  sync.WaitGroup // everything the pool started

	mu       sync.Mutex
	idle     []*Agent
	waiting  []chan *Agent // in the order of arrival; each has room for one agent
	starting int
	failures int  // starts that failed since the last that did not
	retrying bool // a retry is scheduled, and nothing is started before it
	lastErr  error
	closed   bool
}

var errClosed = errors.New("the node is stopping")

// Open makes a pool and starts its first agent, or, with size 0, none. It fails when that agent
// does not come up: a node that cannot start agents has no reason to run. The caller owns the Pool
// and closes it.
func Open(ctx context.Context, cfg Config) (*Pool, error) {
	if cfg.HandshakeTimeout == 0 {
		cfg.HandshakeTimeout = 5 * time.Second
	}
	if cfg.PingTimeout == 0 {
		cfg.PingTimeout = 750 * time.Millisecond
	}
	p := &Pool{cfg: cfg}
	p.ctx, p.cancel = context.WithCancelCause(context.Background())
	if cfg.Size == 0 {
		return p, nil
	}
	first, err := p.start(ctx)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.admitLocked(first)
	p.fillLocked()
	p.mu.Unlock()
	return p, nil
}

// Close ends the idle agents and the starting ones, and fails the callers of Lease. Leased agents
// are their owners' to release.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	p.cancel(errClosed)
	for _, a := range idle {
		p.group.Go(func() { a.Release() })
	}
	p.group.Wait()
}

// Idle is the number of agents that can be leased at once.
func (p *Pool) Idle() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle)
}

// Lease hands out an agent, an idle one if there is one, else the next that comes up. The caller
// owns it and releases it. When ctx ends first the error has code [nex.CodeNoAgent] and says why
// agents do not start, if they do not.
func (p *Pool) Lease(ctx context.Context) (*Agent, error) {
	for {
		a, err := p.next(ctx)
		if err != nil {
			return nil, err
		}
		if err := p.check(ctx, a); err == nil {
			return a, nil
		} else if ctx.Err() != nil {
			a.Release()
			return nil, p.noAgent(ctx)
		} else {
			p.cfg.Logger.Warn("replaced an idle agent that does not answer", "agent", a.ID, "error", err)
			a.Release()
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
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, nex.Errorf(nex.CodeNoAgent, "no agent can be leased: %v", errClosed)
	}
	if n := len(p.idle); n > 0 {
		a := p.idle[0]
		p.idle = p.idle[1:]
		p.fillLocked()
		p.mu.Unlock()
		return a, nil
	}
	mine := make(chan *Agent, 1)
	p.waiting = append(p.waiting, mine)
	p.fillLocked()
	p.mu.Unlock()

	select {
	case a := <-mine:
		return a, nil
	case <-ctx.Done():
	case <-p.ctx.Done():
	}
	p.leave(mine)
	return nil, p.noAgent(ctx)
}

// leave takes a waiter out of the queue. An agent that it was handed meanwhile goes to the next.
func (p *Pool) leave(mine chan *Agent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, w := range p.waiting {
		if w == mine {
			p.waiting = append(p.waiting[:i], p.waiting[i+1:]...)
			return
		}
	}
	p.admitLocked(<-mine)
}

func (p *Pool) noAgent(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	why := p.lastErr
	if p.closed {
		why = errClosed
	} else if why == nil {
		why = context.Cause(ctx)
	}
	return nex.Errorf(nex.CodeNoAgent, "no agent became ready in time: %v", why)
}

// admitLocked gives a fresh agent to the first waiter, or puts it with the idle ones.
func (p *Pool) admitLocked(a *Agent) {
	switch {
	case p.closed:
		p.group.Go(func() { a.Release() })
	case len(p.waiting) > 0:
		p.waiting[0] <- a
		p.waiting = p.waiting[1:]
	default:
		p.idle = append(p.idle, a)
		p.group.Go(func() { p.watch(a) })
	}
}

// watch replaces an idle agent that dies. It ends with the agent, or with the pool.
func (p *Pool) watch(a *Agent) {
	select {
	case <-a.Instance.Done():
	case <-a.leased:
		return
	case <-p.ctx.Done():
		return
	}
	p.mu.Lock()
	for i := range p.idle {
		if p.idle[i] == a {
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
			p.cfg.Logger.Warn("replaced an idle agent that ended", "agent", a.ID, "exit", a.Instance.Exit().String())
			defer a.Release()
			break
		}
	}
	p.fillLocked()
	p.mu.Unlock()
}

// fillLocked starts as many agents as are missing.
func (p *Pool) fillLocked() {
	for !p.closed && !p.retrying && p.starting < maxStarting && len(p.idle)+p.starting < p.cfg.Size+len(p.waiting) {
		p.starting++
		p.group.Go(p.startOne)
	}
}

func (p *Pool) startOne() {
	a, err := p.start(p.ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.starting--
	if err != nil {
		p.failedLocked(err)
		return
	}
	p.failures, p.lastErr = 0, nil
	p.admitLocked(a)
	p.fillLocked()
}

// failedLocked notes a failed start and lets the pool try again after a while.
func (p *Pool) failedLocked(err error) {
	p.lastErr = err
	p.failures++
	if p.closed || p.retrying {
		return
	}
	wait := min(firstRetry<<min(p.failures-1, 10), lastRetry)
	p.cfg.Logger.Error("agent did not start", "error", err, "retry_in", wait)
	p.retrying = true
	p.group.Go(func() {
		timer := time.NewTimer(wait)
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

// start starts one agent and waits for its handshake.
func (p *Pool) start(ctx context.Context) (_ *Agent, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, p.cfg.HandshakeTimeout,
		fmt.Errorf("the agent did not shake hands within %s", p.cfg.HandshakeTimeout))
	defer cancel()
	id := nuid.Next()
	link, err := p.cfg.Host.Admit(id)
	if err != nil {
		return nil, fmt.Errorf("start agent: %w", err)
	}
	log := p.cfg.Logger.With("agent", id)
	instance, err := p.cfg.Driver.Start(ctx, sandbox.Spec{
		ID: id, Bootstrap: link.Bootstrap(),
		Log: func(line string) { log.Warn("agent says", "line", line) },
	})
	if err != nil {
		link.Close()
		return nil, fmt.Errorf("start agent: %w", err)
	}
	a := &Agent{ID: id, Instance: instance, Link: link, leased: make(chan struct{}), log: log}
	if a.Hello, err = p.awaitHandshake(ctx, a); err != nil {
		a.Release()
		return nil, err
	}
	log.Info("received agent handshake", "version", a.Hello.Version, "sandbox", p.cfg.Driver.Capabilities().Level)
	return a, nil
}

// awaitHandshake ends early when the agent does.
func (p *Pool) awaitHandshake(ctx context.Context, a *Agent) (agentlink.Handshake, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan struct{})
	defer close(ended)
	p.group.Go(func() {
		select {
		case <-a.Instance.Done():
			cancel(fmt.Errorf("the agent %s before its handshake", a.Instance.Exit()))
		case <-ended:
		}
	})
	return a.Link.Handshake(ctx)
}
