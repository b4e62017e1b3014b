// Package pool keeps agents started ahead of need, so that a deploy does not wait for a sandbox.
//
// A pool holds the agents of one driver that are of one kind; [Pools] are all of a node. An agent enters the pool when it has shaken hands and
// leaves it when it is leased, by id, to exactly one workload, or when it dies. The pool refills
// itself at once, and more slowly when agents do not start or do not live.
package pool

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink/linkhost"
	"github.com/nex-engine/nex/internal/sandbox"
)

// Config says what agents to keep.
type Config struct {
	// Driver makes the sandboxes, Host the links. Both are required and outlive the pool.
	Driver sandbox.Driver
	Host   *linkhost.Host
	// Size is the number of idle agents to keep; 0 starts each agent when it is needed. Agents that
	// came up for callers of Lease who have given up are kept besides, for the next callers.
	Size int
	// Network says that the agents' sandboxes have a network, if the driver gives any.
	Network bool
	// Settings are what sandboxes start with.
	Settings sandbox.Settings
	// HandshakeTimeout bounds the time from an agent's start to its handshake, besides what the driver's sandboxes
	// take to start; 0 means 5 s.
	HandshakeTimeout time.Duration
	// PingTimeout bounds the check that an idle agent still answers before it is leased; 0 means
	// 750 ms.
	PingTimeout time.Duration
	// Logger is required.
	Logger *slog.Logger
}

// maxStarting bounds how many agents are being started at once.
const maxStarting = 4

// Pool keeps agents. It is safe for concurrent use.
type Pool struct {
	cfg    Config
	ctx    context.Context // ends with Close; bounds starting, not the life of leased agents
	cancel context.CancelCauseFunc
	group  sync.WaitGroup // everything the pool started
	cold   chan struct{}  // has a place for each agent that may be started for a Need at one time

	mu       sync.Mutex
	idle     []*Agent
	waiting  []chan *Agent // in the order of arrival; each has room for one agent
	starting int
	backoff  backoff
	retrying bool               // a retry is scheduled, and nothing is started before it
	lastErr  error              // why the last start failed; nil once one has succeeded
	types    []nex.WorkloadType // that the last agent runs that came up; nil before
	closed   bool
}

var errClosed = errors.New("the node is stopping")

// Open makes a pool and starts its first agent; see [New] and [Pool.Start].
func Open(ctx context.Context, cfg Config) (*Pool, error) {
	p := New(cfg)
	if err := p.Start(ctx); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// New makes a pool that starts no agents until it is asked for one, or to Start. The caller owns the Pool
// and closes it.
func New(cfg Config) *Pool {
	if cfg.HandshakeTimeout == 0 {
		cfg.HandshakeTimeout = 5 * time.Second
	}
	if cfg.PingTimeout == 0 {
		cfg.PingTimeout = 750 * time.Millisecond
	}
	p := &Pool{cfg: cfg, backoff: backoff{apart: 2 * (lastRetry + cfg.HandshakeTimeout)}}
	p.ctx, p.cancel = context.WithCancelCause(context.Background())
	p.cold = make(chan struct{}, maxStarting)
	return p
}

// Start starts the first agent, or, with size 0, none, and then lets the pool fill itself. It fails when
// that agent does not come up: a node that cannot start agents has no reason to run. The ctx bounds that
// start only.
func (p *Pool) Start(ctx context.Context) error {
	if p.cfg.Size == 0 {
		return nil
	}
	first, err := p.start(ctx)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.admitLocked(first)
	return nil
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
		p.group.Go(a.Release)
	}
	p.group.Wait()
}

// Idle is the number of agents that can be leased at once.
func (p *Pool) Idle() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle)
}

// Types are the workload types that the agents run; all that there are before the first agent came up.
func (p *Pool) Types() []nex.WorkloadType {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.types == nil {
		return nex.WorkloadTypes
	}
	return p.types
}

// admitLocked gives an agent to the first waiter, or puts it with the idle ones, and starts those
// that are still missing. It reports false if the pool is closed.
func (p *Pool) admitLocked(a *Agent) bool {
	if p.closed {
		return false
	}
	defer p.fillLocked()
	p.types = a.Hello.Types
	if len(p.waiting) > 0 {
		p.waiting[0] <- a
		p.waiting = p.waiting[1:]
		return true
	}
	taken := make(chan struct{})
	a.taken = taken
	p.idle = append(p.idle, a)
	p.group.Go(func() { p.watch(a, taken) })
	return true
}

// takeLocked takes the oldest idle agent, or returns nil.
func (p *Pool) takeLocked() *Agent {
	if len(p.idle) == 0 {
		return nil
	}
	a := p.idle[0]
	p.idle = p.idle[1:]
	close(a.taken)
	return a
}

// watch replaces an idle agent that dies. It ends when the agent is no longer idle.
func (p *Pool) watch(a *Agent, taken <-chan struct{}) {
	select {
	case <-a.Instance.Done():
	case <-taken:
		return
	case <-p.ctx.Done():
		return
	}
	if p.died(a) {
		a.Release()
	}
}

// died takes a dead agent out of the idle ones. It reports false if it was no longer one of them.
func (p *Pool) died(a *Agent) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.idle, a)
	if i < 0 {
		return false
	}
	p.idle = slices.Delete(p.idle, i, i+1)
	p.cfg.Logger.Warn("replacing an idle agent that ended", "agent", a.ID, "exit", a.Instance.Exit().String(), "after", time.Since(a.ready))
	p.lostLocked()
	return true
}
