package functiontest

import (
	"context"
	"time"

	"github.com/nex-engine/nex/internal/function"
)

func (r *rig) patient() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}

// wantStopped checks how a call ended that was to be stopped at a time.
func (p *pending) wantStopped(since time.Time, status int) {
	p.r.Helper()
	_, err := p.wait()
	p.r.wantStatus(err, status)
	if took := p.ended.Sub(since); took > late {
		p.r.Fatalf("the call was stopped %s late, want at most %s", took, function.StopWithin)
	}
}

func checkDeadline(r *rig) {
	rt := r.load(Endless)
	r.wantWell(rt)
	for range 3 {
		deadline := time.Now().Add(100 * time.Millisecond)
		ctx, cancel := context.WithDeadline(context.Background(), deadline)
		r.begin(ctx, rt, function.Call{}).wantStopped(deadline, function.StatusTimeout)
		cancel()
		r.wantWell(rt)
	}
}

// beginBusy begins calls of Endless and waits until they run.
func (r *rig) beginBusy(ctx context.Context, rt function.Runtime, calls int) []*pending {
	r.Helper()
	var list []*pending
	for range calls {
		list = append(list, r.begin(ctx, rt, function.Call{}))
	}
	over, cancel := r.patient()
	defer cancel()
	lines := r.log.await(calls, over.Done(), func(l function.LogLine) bool { return l.Text == begun })
	if len(lines) < calls {
		r.Fatalf("%d of %d calls have said that they have begun", len(lines), calls)
	}
	return list
}

// beginAwaiting begins calls of AwaitHost and waits until all of them wait for the host.
func (r *rig) beginAwaiting(ctx context.Context, rt function.Runtime, calls int) []*pending {
	r.Helper()
	var list []*pending
	for range calls {
		list = append(list, r.begin(ctx, rt, function.Call{Payload: []byte("key")}))
		r.await("the host request of a call", r.host.arrived)
	}
	return list
}

func checkCancelBusy(r *rig) {
	rt := r.load(Endless)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	call := r.beginBusy(ctx, rt, 1)[0]
	cancel()
	call.wantStopped(time.Now(), function.StatusUnavailable)
	r.wantWell(rt)
}

func checkCancelAwaiting(r *rig) {
	r.holdHost()
	r.host.set("key", "value")
	rt := r.load(AwaitHost)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	call := r.beginAwaiting(ctx, rt, 1)[0]
	cancel()
	call.wantStopped(time.Now(), function.StatusUnavailable)
	r.wantNoneHeld()

	deadline := time.Now().Add(100 * time.Millisecond)
	short, cancelShort := context.WithDeadline(context.Background(), deadline)
	defer cancelShort()
	r.beginAwaiting(short, rt, 1)[0].wantStopped(deadline, function.StatusTimeout)
	r.wantNoneHeld()

	call = r.beginAwaiting(context.Background(), rt, 1)[0]
	r.letOneGo()
	call.wantText("value")
}

// wantNoneHeld checks that no host request outlives its call.
func (r *rig) wantNoneHeld() {
	r.Helper()
	if _, held := r.host.counts(); held != 0 {
		r.Fatalf("%d host requests are under way, of calls that have ended", held)
	}
}

// A call whose ctx is over does not run.
func checkContextIsOver(r *rig) {
	rt := r.load(Endless)
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	expired, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	defer cancel()
	r.begin(cancelled, rt, function.Call{}).wantStopped(time.Now(), function.StatusUnavailable)
	r.begin(expired, rt, function.Call{}).wantStopped(time.Now(), function.StatusTimeout)
	r.wantWell(rt)
	if lines, _ := r.log.all(); len(lines) != 0 {
		r.Errorf("the function ran and printed %q", lines)
	}
}

func checkCloseBusy(r *rig) {
	rt := r.load(Endless, func(c *function.Config) { c.Concurrency = 2 })
	r.wantClosed(rt, r.beginBusy(context.Background(), rt, 2))
}

func checkCloseAwaiting(r *rig) {
	r.holdHost()
	rt := r.load(AwaitHost, func(c *function.Config) { c.Concurrency = 2 })
	r.wantClosed(rt, r.beginAwaiting(context.Background(), rt, 2))
	r.wantNoneHeld()
}

// wantClosed closes a runtime, twice at one time and then again, that runs as many calls as it may: it
// ends them and one that waits.
func (r *rig) wantClosed(rt function.Runtime, calls []*pending) {
	r.Helper()
	calls = append(calls, r.beginPayload(rt, Well))
	began := time.Now()
	second := make(chan struct{})
	go func() {
		defer close(second)
		rt.Close()
	}()
	r.close(rt)
	r.await("the second Close", second)
	for _, p := range calls {
		select {
		case <-p.done:
			p.wantStopped(began, function.StatusUnavailable)
		case <-time.After(function.StopWithin): // of the one that waited, nothing says that Close waits for it
			r.Errorf("Close does not end a call")
		}
	}
	_, err := r.beginPayload(rt, Well).wait()
	r.wantStatus(err, function.StatusUnavailable)
	r.close(rt)
}

// A runtime that has never been called, and one between calls, closes.
func checkCloseAtOnce(r *rig) {
	r.close(r.load(Echo))
	rt := r.load(Echo)
	r.text(rt, "x")
	r.close(rt)
	_, err := r.beginPayload(rt, "x").wait()
	r.wantStatus(err, function.StatusUnavailable)
}
