package pool_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink/linktest"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/sandbox/fake"
)

func TestLeaseIsAfterTheHandshake(t *testing.T) {
	t.Parallel()
	r := newRig(t, 0)
	script, let := gate()
	r.fleet.Script = script
	p := r.open()
	lease := r.goLease(t.Context(), p)
	nextest.Await(t, "an agent is started", func() bool { return r.driver.Started() == 1 })
	if n := p.Idle(); n != 0 {
		t.Errorf("%d agents can be leased before the handshake, want none", n)
	}
	select {
	case l := <-lease:
		t.Fatalf("lease before the handshake: %+v", l)
	default:
	}
	let <- struct{}{}
	l := <-lease
	if l.err != nil {
		t.Fatal(l.err)
	}
	defer l.agent.Release()
	if err := l.agent.Link.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestLeaseWaitsForTheRefill(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	script, let := gate()
	r.fleet.Script = func(n int) linktest.Script {
		if n == 1 {
			return linktest.Script{}
		}
		return script(n)
	}
	p := r.open()
	first := r.lease(p)
	second := r.goLease(t.Context(), p)
	let <- struct{}{}
	l := <-second
	if l.err != nil {
		t.Fatal(l.err)
	}
	defer l.agent.Release()
	if l.agent.ID == first.ID {
		t.Errorf("agent %s was leased twice", first.ID)
	}
}

func TestLeasesAreServedInOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t, 0)
	script, let := gate()
	r.fleet.Script = script
	p := r.open()
	leases := make([]<-chan leased, 8)
	for i := range leases {
		leases[i] = r.goLease(t.Context(), p)
	}
	for i, lease := range leases {
		let <- struct{}{}
		l := <-lease
		if l.err != nil {
			t.Fatalf("lease %d: %v", i, l.err)
		}
		defer l.agent.Release()
		if n := p.Waiting(); n != len(leases)-1-i {
			t.Errorf("%d leases wait after the one of waiter %d was served", n, i)
		}
	}
}

func TestLeaseFailsWithTheReason(t *testing.T) {
	t.Parallel()
	t.Run("agents do not start", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, 0)
		failed := make(chan struct{}, 100)
		r.driver.StartErr = func(int) error {
			failed <- struct{}{}
			return errors.New("there is no kernel")
		}
		p := r.open()
		ctx, cancel := context.WithCancel(t.Context())
		lease := r.goLease(ctx, p)
		<-failed
		<-failed // so that the pool knows of the first
		cancel()
		checkNoAgent(t, (<-lease).err, "no agent became ready in time: start agent: there is no kernel")
	})
	t.Run("agents are slow", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, 0)
		r.fleet.Script, _ = gate()
		p := r.open()
		_, err := p.Lease(within(t, 20*time.Millisecond))
		checkNoAgent(t, err, "no agent became ready in time: the test's patience is at an end")
	})
	t.Run("there is no time", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, 1)
		p := r.open()
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("too late"))
		_, err := p.Lease(ctx)
		checkNoAgent(t, err, "no agent became ready in time: too late")
		if n := p.Idle(); n != 1 {
			t.Errorf("%d agents are idle, want still one", n)
		}
	})
}

func TestWaiterThatGivesUpLosesNoAgent(t *testing.T) {
	t.Parallel()
	r := newRig(t, 0)
	script, let := gate()
	r.fleet.Script = script
	p := r.open()
	ctx, cancel := context.WithCancel(t.Context())
	gone, stays := r.goLease(ctx, p), r.goLease(t.Context(), p)
	cancel()
	if err := (<-gone).err; nex.CodeOf(err) != nex.CodeNoAgent {
		t.Errorf("error = %v, want code %s", err, nex.CodeNoAgent)
	}
	let <- struct{}{}
	l := <-stays
	if l.err != nil {
		t.Fatal(l.err)
	}
	l.agent.Release()
	let <- struct{}{} // the agent that was started for the other is for the next
	r.awaitIdle(p, 1)
	if a := r.lease(p); a.ID == l.agent.ID {
		t.Errorf("agent %s was leased after its release", a.ID)
	}
	if n := r.driver.Started(); n != 2 {
		t.Errorf("%d agents were started, want 2", n)
	}
}

// TestLeaseThatGivesUpOnACheck does not know whether the agent is well, and leaves it to the next.
func TestLeaseThatGivesUpOnACheck(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.fleet.Script = func(n int) linktest.Script { return linktest.Script{Mute: n == 1} }
	p := r.open()
	_, err := p.Lease(within(t, 20*time.Millisecond))
	checkNoAgent(t, err, "no agent became ready in time: the test's patience is at an end")
	r.awaitIdle(p, 2) // and the one that was started in its place
	if n := r.driver.Started(); n != 2 {
		t.Errorf("%d agents were started, want 2", n)
	}
}

// TestWaitersThatGiveUpAtTheLastMoment race with the agents that are handed to them.
func TestWaitersThatGiveUpAtTheLastMoment(t *testing.T) {
	t.Parallel()
	r := newRig(t, 0)
	p := r.open()
	for range 200 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(2000))*time.Microsecond)
		if a, err := p.Lease(ctx); err == nil {
			a.Release()
		}
		cancel()
	}
	nextest.Await(t, "every agent that lives is idle", func() bool { return p.Idle() == r.driver.Live() })
}

func TestAgentThatDoesNotAnswerIsReplaced(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.config.PingTimeout = 250 * time.Millisecond
	r.fleet.Script = func(n int) linktest.Script { return linktest.Script{Mute: n == 1} }
	// That its sandbox takes long to end is nothing that the lease waits for.
	leased := make(chan struct{})
	var first atomic.Pointer[fake.Instance]
	r.driver.OnDestroy = func(_ context.Context, i *fake.Instance) error {
		if first.CompareAndSwap(nil, i) {
			<-leased
		}
		return nil
	}
	p := r.open()
	a := r.lease(p)
	close(leased)
	if err := a.Link.Ping(t.Context()); err != nil {
		t.Errorf("the agent that was leased does not answer: %v", err)
	}
	nextest.Await(t, "the mute one is gone", func() bool { return r.driver.Live() == 2 && p.Idle() == 1 })
	if i := first.Load(); i == nil || i.ID() == a.ID {
		t.Errorf("ended sandbox = %v, want that of the mute agent", i)
	}
}

// TestLeases has many callers at once, of whom some give up, and agents that die.
func TestLeases(t *testing.T) {
	t.Parallel()
	r := newRig(t, 5)
	p := r.open()
	var mu sync.Mutex
	owned := map[string]bool{}
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			ctx := t.Context()
			if i%5 == 0 {
				ctx = within(t, time.Duration(rand.IntN(30))*time.Millisecond)
			}
			a, err := p.Lease(ctx)
			if err != nil {
				if i%5 != 0 || nex.CodeOf(err) != nex.CodeNoAgent {
					t.Errorf("lease %d: %v", i, err)
				}
				return
			}
			mu.Lock()
			if owned[a.ID] {
				t.Errorf("agent %s was leased twice", a.ID)
			}
			owned[a.ID] = true
			mu.Unlock()
			if i%7 == 0 {
				r.fleet.Agent(a.ID).Die(nex.Exit{Code: 9})
				<-a.Instance.Done()
			}
			time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond)
			a.Release()
			a.Release()
		})
	}
	wg.Wait()
	nextest.Await(t, "every agent that lives is idle", func() bool { return p.Idle() == r.driver.Live() && p.Idle() >= 5 })
}
