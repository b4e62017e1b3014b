package pool_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink/linktest"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/pool"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/fake"
)

// ids collects the ids of the agents that a driver starts.
func (r *rig) ids() func() []string {
	var mu sync.Mutex
	var ids []string
	start := r.driver.OnStart
	r.driver.OnStart = func(spec sandbox.Spec, i *fake.Instance) {
		mu.Lock()
		ids = append(ids, spec.ID)
		mu.Unlock()
		start(spec, i)
	}
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(ids)
	}
}

func TestIdleAgentThatDiesIsReplaced(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	ids := r.ids()
	p := r.open()
	r.awaitIdle(p, 2)
	for n := 3; n <= 4; n++ {
		r.fleet.Agent(ids()[n-3]).Die(nex.Exit{Code: 7})
		nextest.Await(t, "another agent is idle", func() bool {
			return len(ids()) == n && p.Idle() == 2 && r.driver.Live() == 2
		})
	}
	for _, a := range []*pool.Agent{r.lease(p), r.lease(p)} {
		if !slices.Contains(ids()[2:], a.ID) {
			t.Errorf("agent %s was leased, which is dead", a.ID)
		}
	}
}

// TestAgentsThatDieAreReplacedMoreSlowly shows that agents that shake hands and die do not keep the
// machine busy, and that the pool recovers.
func TestAgentsThatDieAreReplacedMoreSlowly(t *testing.T) {
	t.Parallel()
	const mortal = 4
	r := newRig(t, 1)
	ids := r.ids()
	r.fleet.Script = func(n int) linktest.Script {
		return linktest.Script{Hello: func(a *linktest.Agent) bool {
			if 1 < n && n <= mortal {
				a.Die(nex.Exit{Code: 1}) // as soon as it has shaken hands
			}
			return true
		}}
	}
	p := r.open()
	start := time.Now()
	r.fleet.Agent(ids()[0]).Die(nex.Exit{Code: 1})
	nextest.Await(t, "an agent lives", func() bool { return r.driver.Started() > mortal && p.Idle() == 1 })
	// The first is replaced at once; the others after 100, 200 and 400 ms.
	if d := time.Since(start); d < 700*time.Millisecond {
		t.Errorf("%d agents died within %s", mortal, d)
	}
	r.lease(p)
}

func TestStartsThatFailAreTriedAgainMoreSlowly(t *testing.T) {
	t.Parallel()
	const failures = 4
	r := newRig(t, 0)
	r.driver.StartErr = func(n int) error {
		if n <= failures {
			return errors.New("not yet")
		}
		return nil
	}
	p := r.open()
	start := time.Now()
	r.lease(p)
	if d := time.Since(start); d < 1500*time.Millisecond { // 100, 200, 400 and 800 ms
		t.Errorf("%d starts failed within %s", failures, d)
	}
}

func TestBackoff(t *testing.T) {
	at := func(seconds ...float64) (times []time.Time) {
		for _, s := range seconds {
			times = append(times, time.Unix(1000, 0).Add(time.Duration(s*float64(time.Second))))
		}
		return times
	}
	ms := func(n ...int) (waits []time.Duration) {
		for _, n := range n {
			waits = append(waits, time.Duration(n)*time.Millisecond)
		}
		return waits
	}
	tests := []struct {
		name     string
		failures []time.Time
		want     []time.Duration
	}{
		{"one", at(0), ms(100)},
		{"in a row", at(0, 0.1, 0.3, 0.7, 1.5, 3.1, 6.3, 12.7, 22.7, 32.7), ms(100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000, 10000)},
		{"far apart", at(0, 31, 62), ms(100, 100, 100)},
		{"another row", at(0, 1, 2, 40, 41), ms(100, 200, 400, 100, 200)},
		{"just in a row", at(0, 30), ms(100, 200)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := pool.Waits(30*time.Second, tt.failures...); !slices.Equal(got, tt.want) {
				t.Errorf("waits = %v, want %v", got, tt.want)
			}
		})
	}
	if got := pool.Waits(time.Hour, slices.Repeat(at(0), 100)...)[99]; got != 10*time.Second {
		t.Errorf("the hundredth wait is %s, want 10s", got)
	}
}

func TestCloseLeavesLeasedAgentsAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	p := r.open()
	a := r.lease(p)
	p.Close()
	p.Close()
	if n := r.driver.Live(); n != 1 {
		t.Errorf("%d sandboxes are left, want that of the leased agent", n)
	}
	if err := a.Link.Ping(t.Context()); err != nil {
		t.Errorf("the leased agent does not answer: %v", err)
	}
	a.Release()
	_, err := p.Lease(t.Context())
	checkNoAgent(t, err, "no agent can be leased: the node is stopping")
}

func TestCloseEndsStartsAndWaiters(t *testing.T) {
	t.Parallel()
	r := newRig(t, 0)
	r.fleet.Script, _ = gate()
	p := r.open()
	var leases []<-chan leased
	for range 10 {
		leases = append(leases, r.goLease(t.Context(), p))
	}
	nextest.Await(t, "agents are being started", func() bool { return r.driver.Live() == 4 })
	p.Close()
	if n := r.driver.Live(); n != 0 {
		t.Errorf("%d sandboxes are left, want none", n)
	}
	for _, l := range leases {
		checkNoAgent(t, (<-l).err, "no agent can be leased: the node is stopping")
	}
}

func TestCloseEndsTheWaitBeforeARetry(t *testing.T) {
	t.Parallel()
	r := newRig(t, 0)
	r.driver.StartErr = func(int) error { return errors.New("never") }
	p := r.open()
	lease := r.goLease(t.Context(), p)
	p.Close()
	checkNoAgent(t, (<-lease).err, "no agent can be leased: the node is stopping")
}

// TestCloseWhileAgentsAreLeased looks for agents that are lost between a pool that closes and a lease
// that is being served.
func TestCloseWhileAgentsAreLeased(t *testing.T) {
	t.Parallel()
	for range 20 {
		r := newRig(t, 1)
		p, err := pool.Open(t.Context(), r.config)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				for {
					a, err := p.Lease(t.Context())
					if err != nil {
						return
					}
					a.Release()
				}
			})
		}
		nextest.Await(t, "agents come and go", func() bool { return r.driver.Started() > 3 })
		p.Close()
		wg.Wait()
		if n := r.driver.Live(); n != 0 {
			t.Fatalf("%d sandboxes are left, want none", n)
		}
	}
}

func TestReleaseMoreThanOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, 0)
	var destroyed atomic.Int32
	proceed := make(chan struct{})
	r.driver.OnDestroy = func(context.Context, *fake.Instance) error {
		destroyed.Add(1)
		<-proceed
		return nil
	}
	p := r.open()
	a := r.lease(p)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			a.Release()
			select {
			case <-a.Instance.Done():
			default:
				t.Error("Release returned before the sandbox had ended")
			}
		})
	}
	close(proceed)
	wg.Wait()
	if n := destroyed.Load(); n != 1 {
		t.Errorf("the sandbox was destroyed %d times, want once", n)
	}
	if n := r.driver.Live(); n != 0 {
		t.Errorf("%d sandboxes are left, want none", n)
	}
}
