package workload_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/nextest"
)

// A manager that drains takes nothing new, gives the triggers of functions back, and lets all go on.
func TestDrain(t *testing.T) {
	t.Parallel()
	r := newRig(t).start()
	fn, service := r.function("fn"), r.spec("service")
	r.deploy(fn)
	r.deploy(service)
	r.Drain(t.Context())
	if got, want := strings.Join(r.one(fn).path(), " "), "Attach "+fn.Digest[:8]+" Drain"; got != want {
		t.Errorf("the function's way is %q, want %q", got, want)
	}
	if _, err := r.Deploy(t.Context(), r.spec("late")); nex.CodeOf(err) != nex.CodeLameDuck {
		t.Errorf("Deploy after Drain = %v, want code %s", err, nex.CodeLameDuck)
	}
	for _, s := range r.List("") {
		if s.State != nex.StateRunning {
			t.Errorf("%s is %s", s.Spec.Name, s.State)
		}
	}
	r.stop(fn)
	r.stop(service)
}

// Drain waits for calls no longer than its context.
func TestDrainWaits(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.functions.OnDrain = func(ctx context.Context) { <-ctx.Done() }
	r.start()
	fn := r.function("fn")
	r.deploy(fn)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	r.Drain(ctx)
	if ctx.Err() == nil {
		t.Error("Drain did not wait for the calls")
	}
	r.stop(fn)
}

// A function that is being started when the manager drains is not let go on.
func TestDrainWhileStarting(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	wait, reached, release := hold()
	r.artifacts.OnFetch = wait
	r.start()
	fn := r.function("fn")
	deployed := r.goDeploy(fn)
	<-reached
	r.Drain(t.Context())
	release <- nil
	if d := <-deployed; d.err != nil {
		t.Fatal(d.err)
	}
	nextest.Await(t, "the function is attached", func() bool { return slices.Contains(r.one(fn).path(), "Attach "+fn.Digest[:8]) })
	if path := r.one(fn).path(); path[0] != "Drain" {
		t.Errorf("the function's way is %q, want it to drain first", path)
	}
	r.stop(fn)
}

// A manager is idle when no service runs; functions do not count.
func TestAwaitIdle(t *testing.T) {
	t.Parallel()
	r := newRig(t).start()
	fn, service := r.function("fn"), r.spec("service")
	r.deploy(fn)
	r.deploy(service)
	soon, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	r.AwaitIdle(soon)
	if soon.Err() == nil {
		t.Error("idle while a service runs")
	}
	idle := make(chan struct{})
	go func() {
		defer close(idle)
		r.AwaitIdle(t.Context())
	}()
	r.stop(service)
	<-idle
	r.stop(fn)
}
