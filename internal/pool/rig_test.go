package pool_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink/linktest"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/pool"
	"github.com/nex-engine/nex/internal/sandbox/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is what a pool needs. A test may change it before it calls open.
type rig struct {
	testing.TB
	fleet  linktest.Fleet
	driver *fake.Driver
	config pool.Config
}

func newRig(t testing.TB, size int) *rig {
	r := &rig{TB: t}
	r.driver = &fake.Driver{OnStart: r.fleet.OnStart}
	r.config = pool.Config{
		Driver: r.driver, Host: linktest.StartHost(t), Size: size, Logger: slog.New(slog.DiscardHandler),
		HandshakeTimeout: nextest.Patience, PingTimeout: nextest.Patience,
	}
	return r
}

// open opens the pool. When the test ends it is closed, and no sandbox may be left.
func (r *rig) open() *pool.Pool {
	r.Helper()
	p, err := pool.Open(r.Context(), r.config)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() {
		p.Close()
		if n := r.driver.Live(); n != 0 {
			r.Errorf("%d sandboxes are left, want none", n)
		}
	})
	return p
}

// lease leases an agent, which is released when the test ends.
func (r *rig) lease(p *pool.Pool) *pool.Agent {
	r.Helper()
	a, err := p.Lease(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(a.Release)
	return a
}

// leased is what came of a lease.
type leased struct {
	agent *pool.Agent
	err   error
}

// goLease leases in a goroutine. It returns when the lease waits in the queue.
func (r *rig) goLease(ctx context.Context, p *pool.Pool) <-chan leased {
	r.Helper()
	before := p.Waiting()
	c := make(chan leased, 1)
	go func() {
		a, err := p.Lease(ctx)
		c <- leased{a, err}
	}()
	nextest.Await(r, "a lease waits", func() bool { return p.Waiting() > before })
	return c
}

// awaitIdle waits until so many agents are idle, and none besides.
func (r *rig) awaitIdle(p *pool.Pool, want int) {
	r.Helper()
	nextest.Await(r, "the pool is full", func() bool { return p.Idle() == want })
}

// gate is a Script for agents that introduce themselves when they are let, one by one.
func gate() (script func(int) linktest.Script, let chan<- struct{}) {
	open := make(chan struct{})
	return func(int) linktest.Script {
		return linktest.Script{Hello: func(a *linktest.Agent) bool {
			select {
			case <-open:
				return true
			case <-a.Gone():
				return false
			}
		}}
	}, open
}

// within is a ctx that ends soon.
func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeoutCause(t.Context(), d, errors.New("the test's patience is at an end"))
	t.Cleanup(cancel)
	return ctx
}

// checkNoAgent checks an error of Lease.
func checkNoAgent(t testing.TB, err error, want string) {
	t.Helper()
	if nex.CodeOf(err) != nex.CodeNoAgent || err.Error() != want {
		t.Errorf("error = %v (%s), want %s (%s)", err, nex.CodeOf(err), want, nex.CodeNoAgent)
	}
}
