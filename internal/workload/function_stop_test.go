package workload_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/agentlink/linktest"
	"github.com/nex-engine/nex/internal/function"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/fake"
	"github.com/nex-engine/nex/internal/workload"
)

// What the calls under way take of the grace period the agent no longer has.
func TestFunctionSharesItsGrace(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const grace = 50 * time.Millisecond
	var detaching time.Duration
	r.functions.OnDetach = func(ctx context.Context) {
		if detaching == 0 {
			start := time.Now()
			<-ctx.Done()
			detaching = time.Since(start)
		}
	}
	left := time.Duration(-1)
	r.play("fn", linktest.Script{Undeploy: func(_ *linktest.Agent, u agentlink.Undeploy) agentlink.Exited {
		left = u.Grace
		return agentlink.Exited{}
	}})
	r.start()
	s := r.function("fn")
	r.deploy(s)
	if err := <-r.goStop(s, grace); err != nil {
		t.Fatal(err)
	}
	if detaching < grace || left != 0 {
		t.Errorf("calls had %v and then the agent %v, want at least %v and then nothing", detaching, left, grace)
	}
}

// Calls that the stop cuts off are told so.
func TestFunctionStopEndsCalls(t *testing.T) {
	t.Parallel()
	for name, undeploy := range map[string]func(*linktest.Agent, agentlink.Undeploy) agentlink.Exited{
		"the agent does not answer them": nil,
		"the agent dies": func(a *linktest.Agent, _ agentlink.Undeploy) agentlink.Exited {
			a.Die(nex.Exit{Code: 1})
			<-a.Gone()
			return agentlink.Exited{}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t).start()
			s := r.function("fn")
			r.deploy(s)
			c := r.one(s)
			r.keepOne(s)
			r.play(s.Name, linktest.Script{Undeploy: undeploy})
			r.stop(s)
			c.await(t, "the answer", func() bool { return len(c.answers) == 1 })
			if a := c.answers[0]; a.Status != function.StatusUnavailable || a.Message != "the call was not answered: the function was stopped" {
				t.Errorf("answer = %+v, want that the function was stopped", a)
			}
		})
	}
}

// A stop does not wait for calls whose agent has gone.
func TestFunctionAgentDiesInTheGrace(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	draining := make(chan struct{}, 1)
	r.functions.OnDetach = func(ctx context.Context) {
		select {
		case draining <- struct{}{}:
			<-ctx.Done()
		default:
		}
	}
	r.start()
	s := r.function("fn")
	r.deploy(s)
	c := r.one(s)
	r.keepOne(s)
	stop := r.goStop(s, 10*nextest.Patience)
	<-draining
	r.fleet.Of(s.ID).Exit(nex.Exit{Code: -1, Signal: "SIGKILL", OOM: true})
	if err := <-stop; err != nil {
		t.Fatal(err)
	}
	c.await(t, "the answer", func() bool { return len(c.answers) == 1 })
	changes := r.world.changes(s.ID)
	if last := changes[len(changes)-1]; last.To != nex.StateStopped || last.Exit == nil || !last.Exit.OOM {
		t.Errorf("last change = %+v, want that it stopped, and why it ended", last)
	}
}

func TestFunctionStopBeforeItRuns(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		edit  func(r *rig) (reached <-chan struct{}) // what makes the start hang
		steps string
	}{
		{"while it is opened", func(r *rig) <-chan struct{} {
			wait, reached, _ := hold()
			r.functions.OnOpen = wait
			return reached
		}, ""},
		{"while the artifact is staged", func(r *rig) <-chan struct{} {
			wait, reached, _ := hold()
			r.driver.OnStage = func(ctx context.Context, _ *fake.Instance, _ sandbox.Purpose, _ string) error { return wait(ctx) }
			return reached
		}, "[Close]"},
		{"while it is loaded", func(r *rig) <-chan struct{} {
			reached := make(chan struct{}, 1)
			r.play("fn", linktest.Script{Deploy: func(a *linktest.Agent, _ agentlink.Deploy) agentlink.DeployReply {
				reached <- struct{}{}
				<-a.Gone()
				return agentlink.DeployReply{}
			}})
			return reached
		}, "[Close]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			reached := tt.edit(r)
			r.start()
			s := r.function("fn")
			deploy := r.goDeploy(s)
			<-reached
			if err := r.Stop(t.Context(), "default", s.ID, "fn", issuer, 20*time.Millisecond); err != nil {
				t.Fatal(err)
			}
			if d := <-deploy; nex.CodeOf(d.err) != nex.CodeStartFailed || d.err.Error() != "workload fn was stopped before it ran" {
				t.Errorf("Deploy = %s, %v, want that it was stopped", d.state, d.err)
			}
			if path := r.world.path(s.ID); !slices.Equal(path, neverRan) {
				t.Errorf("path = %q, want %q", path, neverRan)
			}
			got := ""
			for _, c := range r.functions.of(s.ID) {
				got += fmt.Sprint(c.path())
			}
			if got != tt.steps {
				t.Errorf("the function was asked %q, want %q", got, tt.steps)
			}
		})
	}
}

// A stop that comes while the function is attached finds a function that answers.
func TestFunctionStopWhileAttaching(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	reached, proceed := make(chan struct{}), make(chan struct{})
	r.functions.OnAttach = func(int) error {
		close(reached)
		<-proceed
		return nil
	}
	r.start()
	s := r.function("fn")
	deploy := r.goDeploy(s)
	<-reached
	stop := r.goStop(s, time.Minute)
	nextest.Await(t, "the stop is known", func() bool { return r.Stopping(s.ID) })
	close(proceed)
	if err := <-stop; err != nil {
		t.Fatal(err)
	}
	if d := <-deploy; d.err != nil {
		t.Errorf("Deploy = %s, %v, want that it ran", d.state, d.err)
	}
	if got, want := strings.Join(r.one(s).path(), " "), "Attach "+s.Digest[:8]+" Detach Close"; got != want {
		t.Errorf("the function was asked %q, want %q", got, want)
	}
}

// A stop does not wait for the next start.
func TestFunctionStopWhileRestarting(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.Config.Restart = workload.Restart{First: time.Hour, Most: time.Hour}
	r.start()
	s := r.function("fn")
	r.deploy(s)
	r.fleet.Of(s.ID).Die(nex.Exit{Code: 1})
	r.world.awaitState(t, s.ID, nex.StateRestarting, 1)
	r.stop(s)
	if got, want := strings.Join(r.one(s).path(), " "), "Attach "+s.Digest[:8]+" Detach Close"; got != want {
		t.Errorf("the function was asked %q, want %q", got, want)
	}
}

// TestFunctionChaos deploys, calls and stops functions while everything fails that can. What must hold
// all the same is checked by the rig in the end; every call is answered once.
func TestFunctionChaos(t *testing.T) {
	t.Parallel()
	for range 2 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			c := &chaos{rand: rand.New(rand.NewPCG(seed, 0))}
			r := newRig(t)
			r.PoolSize = 3
			r.Config.Restart.MaxStarts = 4
			r.Config.ReplyWithin = 5 * time.Millisecond
			c.upset(r)
			fail := func(context.Context) error {
				if c.one(10) {
					return nex.Errorf(nex.CodeStartFailed, "as it happens")
				}
				return nil
			}
			r.functions.OnOpen = fail
			r.functions.OnAttach = func(int) error { return fail(nil) }
			specs := make([]workload.Spec, 60)
			for i := range specs {
				specs[i] = r.function(fmt.Sprintf("fn%d", i%20))
				r.play(specs[i].Name, c.script())
			}
			r.start()
			calling, quit := context.WithCancel(t.Context())
			var called sync.WaitGroup
			called.Go(func() {
				for c.pause(calling) == nil {
					for _, f := range r.functions.all() {
						f.call("hello")
					}
				}
			})
			var wg sync.WaitGroup
			for i := range 10 {
				wg.Go(func() {
					for j := i; j < len(specs); j += 10 {
						c.live(r, specs[j])
						r.List("")
					}
				})
			}
			wg.Wait()
			quit()
			called.Wait()
			r.Manager.Close()
			for _, f := range r.functions.all() {
				f.await(t, "an answer to every call", func() bool { return len(f.answers) == f.called })
			}
		})
	}
}
