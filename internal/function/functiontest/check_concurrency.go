package functiontest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nex-engine/nex/internal/function"
)

// As many calls run at one time as may, and no more: the host holds their requests, and so they are
// all under way. One more waits, and its ctx ends the waiting.
func checkConcurrency(r *rig) {
	const most = 3
	r.holdHost()
	r.host.set("key", "value")
	rt := r.load(AwaitHost, func(c *function.Config) { c.Concurrency = most })
	calls := r.beginAwaiting(context.Background(), rt, most)

	deadline := time.Now().Add(100 * time.Millisecond)
	short, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	r.begin(short, rt, function.Call{Payload: []byte("key")}).wantStopped(deadline, function.StatusTimeout)
	if gets, _ := r.host.counts(); gets != most {
		r.Errorf("%d calls were under way, with a concurrency of %d", gets, most)
	}

	next := r.begin(context.Background(), rt, function.Call{Payload: []byte("key")})
	r.letOneGo()
	r.await("the host request of the call that waited", r.host.arrived)
	for range most {
		r.letOneGo()
	}
	for _, p := range append(calls, next) {
		p.wantText("value")
	}
}

// Calls at the same time each get their own reply.
func checkCallsDoNotMix(r *rig) {
	rt := r.load(Echo, func(c *function.Config) { c.Concurrency = 3 })
	var group sync.WaitGroup
	for n := range 6 {
		group.Go(func() {
			for i := range 50 {
				// Of all sizes, so that memory that is used again is too large or too small.
				want := strings.Repeat(fmt.Sprintf("%d-%d;", n, i), 1+i*i*n)
				r.beginPayload(rt, want).wantTextOnce(want)
			}
		})
	}
	group.Wait()
}

// wantTextOnce is wantText for a goroutine that is not the test's.
func (p *pending) wantTextOnce(want string) {
	<-p.done
	if p.err != nil {
		p.r.Errorf("Call: %s", describe(p.err))
	} else if string(p.result.Payload) != want {
		p.r.Errorf("the reply = %.40q, want %.40q", p.result.Payload, want)
	}
}

// Two runtimes in one process know nothing of each other.
func checkRuntimesAreSeparate(r *rig) {
	load := func(value string) function.Runtime {
		return r.load(Env, func(c *function.Config) { c.Environment["NEX_TEST"] = value })
	}
	first, second := load("first"), load("second")
	if a, b := r.text(first, ""), r.text(second, ""); a != "first" || b != "second" {
		r.Errorf("the environments say %q and %q", a, b)
	}
	r.close(first)
	if got := r.text(second, ""); got != "second" {
		r.Errorf("the environment says %q after the other runtime was closed", got)
	}
}

// checkState says in the log whether a function keeps what it remembers; both is allowed.
func checkState(r *rig) {
	rt := r.load(State)
	first, second := r.text(rt, ""), r.text(rt, "")
	switch {
	case first == "1" && second == "1":
		r.Log("a function's memory is new in each call")
	case first == "1" && second == "2":
		r.Log("a function's memory is kept from call to call")
	default:
		r.Errorf("the function counts %q, then %q", first, second)
	}
	if other := r.text(r.load(State), ""); other != "1" {
		r.Errorf("the function counts %q when it is loaded anew, want 1", other)
	}
}
