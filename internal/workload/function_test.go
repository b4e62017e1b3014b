package workload_test

import (
	"context"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/agentlink/linktest"
	"github.com/nex-engine/nex/internal/function"
	"github.com/nex-engine/nex/internal/hostapi"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/fake"
	"github.com/nex-engine/nex/internal/workload"
)

// hostRequest is one that a function makes.
var hostRequest = hostapi.Request{Service: hostapi.KV, Method: "get"}

// keepOne begins a call that the agent has got and keeps.
func (r *rig) keepOne(s workload.Spec) {
	r.Helper()
	got := make(chan struct{}, 1)
	r.play(s.Name, linktest.Script{Trigger: func(*linktest.Agent, agentlink.Trigger, func(agentlink.Answer)) { got <- struct{}{} }})
	r.one(s).call("kept")
	<-got
}

func TestFunctionLife(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	// An agent says things of which linktest knows nothing.
	var bootstraps sync.Map
	r.driver.OnStart = func(spec sandbox.Spec, i *fake.Instance) {
		bootstraps.Store(spec.ID, spec.Bootstrap)
		r.fleet.OnStart(spec, i)
	}
	var told agentlink.Deploy
	var grace time.Duration
	s := r.function("fn")
	r.play("fn", linktest.Script{
		Deploy: func(_ *linktest.Agent, d agentlink.Deploy) agentlink.DeployReply {
			told = d
			return agentlink.DeployReply{PID: 1}
		},
		Undeploy: func(_ *linktest.Agent, u agentlink.Undeploy) agentlink.Exited {
			grace = u.Grace
			r.one(s).step("Undeploy")
			return agentlink.Exited{}
		},
	})
	r.start()
	r.deploy(s)
	c := r.one(s)
	if want := c.Settings(); told.Function == nil || !reflect.DeepEqual(*told.Function, want) || told.Type != nex.TypeWasm {
		t.Errorf("the agent was told %+v, want settings %+v", told, want)
	}
	c.call("hello")
	c.await(t, "the answer", func() bool { return len(c.answers) == 1 })
	if a := c.answers[0]; a.Status != 0 || string(a.Payload) != "hello" {
		t.Errorf("answer = %+v, want the payload", a)
	}
	if st := r.status(s); st == nil || st.Calls == nil || st.Calls.Total != 1 {
		t.Errorf("status = %+v, want one call", st)
	}

	body, _ := bootstraps.Load(r.fleet.Of(s.ID).ID)
	bootstrap, err := agentlink.Decode[agentlink.Bootstrap](body.([]byte))
	if err != nil {
		t.Fatal(err)
	}
	nc, err := linktest.Connect(bootstrap)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	m, err := nc.Request(agentlink.HostServiceSubject(bootstrap.AgentID, "kv", "get"), agentlink.AppendHostRequest(nil, hostRequest, time.Minute), nextest.Patience)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := agentlink.ParseHostResponse(m.Data); err != nil || string(answer.Body) != s.ID+" kv.get" {
		t.Errorf("host service = %s, %v, want the function's", answer.Body, err)
	}
	if err := nc.Publish(agentlink.UsageSubject(bootstrap.AgentID), agentlink.Encode(agentlink.Usage{MemoryBytes: 12345})); err != nil {
		t.Fatal(err)
	}
	c.await(t, "usage", func() bool { return c.memory == 12345 })

	r.stop(s)
	want := []string{"Attach " + s.Digest[:8], "Detach", "Undeploy", "Close"}
	if path := c.path(); !slices.Equal(path, want) {
		t.Errorf("the function was asked %q, want %q", path, want)
	}
	if grace <= time.Minute-nextest.Patience || grace > time.Minute {
		t.Errorf("the agent had %v of a minute of grace", grace)
	}
	path := []string{"starting: accepted", "running: the function answers", "stopping: stopped on request", "stopped: stopped on request"}
	if got := r.world.path(s.ID); !slices.Equal(got, path) {
		t.Errorf("path = %q, want %q", got, path)
	}
}

func TestFunctionRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		edit func(*rig, *workload.Spec)
		code nex.Code
		want string // pattern
		path string
	}{
		{"cannot be opened", func(r *rig, _ *workload.Spec) {
			r.functions.OnOpen = func(context.Context) error {
				return nex.Errorf(nex.CodeArtifactUnavailable, "no connection")
			}
		}, nex.CodeArtifactUnavailable, `^no connection$`, ""},
		{"is not for this node", func(r *rig, _ *workload.Spec) { r.Config.Functions = nil }, nex.CodeUnsupportedType, `runs no functions`, ""},
		{"cannot be attached", func(r *rig, _ *workload.Spec) {
			r.functions.OnAttach = func(int) error { return nex.Errorf(nex.CodeTriggerDenied, "not this subject") }
		}, nex.CodeTriggerDenied, `^not this subject$`, "[Attach fails Close]"},
		{"cannot be loaded", func(r *rig, s *workload.Spec) {
			r.play(s.Name, refuses(agentlink.DeployReply{Error: "no function", Code: nex.CodeInvalidFunction}))
		}, nex.CodeInvalidFunction, `^no function$`, "[Close]"},
		{"kills its agent", func(r *rig, s *workload.Spec) {
			r.play(s.Name, linktest.Script{Deploy: func(a *linktest.Agent, _ agentlink.Deploy) agentlink.DeployReply {
				a.Die(nex.Exit{Code: 2})
				<-a.Gone()
				return agentlink.DeployReply{}
			}})
		}, nex.CodeStartFailed, `^start function: .*the agent ended with status 2$`, "[Close]"},
		{"has no agent", func(r *rig, _ *workload.Spec) {
			r.Config.Agents = noAgents{nex.Errorf(nex.CodeNoAgent, "none left")}
		}, nex.CodeNoAgent, `^none left$`, "[Close]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			s := r.function("fn")
			tt.edit(r, &s)
			r.start()
			_, err := r.Deploy(t.Context(), s)
			if nex.CodeOf(err) != tt.code || !regexp.MustCompile(tt.want).MatchString(err.Error()) {
				t.Fatalf("error = %v (%s), want %s (%s)", err, nex.CodeOf(err), tt.want, tt.code)
			}
			if list := r.List(""); len(list) != 0 || r.Active() != 0 {
				t.Errorf("workloads = %v, %d are active, want none", list, r.Active())
			}
			r.checkReleased()
			if idle, live := r.pool.Idle(), r.driver.Live(); idle != live {
				t.Errorf("%d sandboxes are left, %d of them idle", live, idle)
			}
			if path := r.world.path(s.ID); len(path) != 2 || path[1] != "failed: "+err.Error() {
				t.Errorf("path = %q, want that it failed with %q", path, err)
			}
			got := ""
			for _, c := range r.functions.of(s.ID) {
				got += fmt.Sprint(c.path())
			}
			if got != tt.path {
				t.Errorf("the function was asked %q, want %q", got, tt.path)
			}
		})
	}
}

// However its agent ends, a function starts again, whether it is essential or not, and its calls
// learn why they were not answered.
func TestFunctionStartsAgain(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		end  func(*linktest.Agent)
		why  string
	}{
		{"agent dies", func(a *linktest.Agent) { a.Die(nex.Exit{Code: -1, Signal: "SIGSEGV"}) }, "the agent was ended by SIGSEGV, and the function with it"},
		{"out of memory", func(a *linktest.Agent) { a.Exit(nex.Exit{Code: -1, Signal: "SIGKILL", OOM: true}) }, "the function was killed because memory ran out"},
		{"stuck", func(a *linktest.Agent) { a.Exit(nex.Exit{Code: -1, Signal: "SIGKILL"}) }, "the function was ended by SIGKILL"},
		{"ends as if it were done", func(a *linktest.Agent) { a.Exit(nex.Exit{}) }, "the function ended with status 0"},
		{"reports it and lives on", func(a *linktest.Agent) { _ = a.Report(nex.Exit{Code: 1}) }, "the function ended with status 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t).start()
			s := r.function("fn")
			r.deploy(s)
			c := r.one(s)
			r.keepOne(s)
			tt.end(r.fleet.Of(s.ID))
			r.world.awaitState(t, s.ID, nex.StateRunning, 2)
			want := agentlink.Answer{Status: function.StatusFailed, Message: "the call was not answered: " + tt.why}
			c.await(t, "the answer", func() bool { return len(c.answers) == 1 })
			if got := c.answers[0]; !reflect.DeepEqual(got, want) {
				t.Errorf("answer = %+v, want %+v", got, want)
			}
			st := r.status(s)
			if st.Restarts != 1 || st.Calls == nil || st.Calls.Total != 1 {
				t.Errorf("status = %+v, want one restart and the call that there was", st)
			}
			changes := r.world.changes(s.ID)
			if !regexp.MustCompile(`^` + tt.why + `; starting again in \S+$`).MatchString(changes[2].Reason) {
				t.Errorf("reason = %q, want %q", changes[2].Reason, tt.why)
			}
			r.stop(s)
			attach := "Attach " + s.Digest[:8]
			if path, want := c.path(), []string{attach, "Detach", attach, "Detach", "Close"}; !slices.Equal(path, want) {
				t.Errorf("the function was asked %q, want %q", path, want)
			}
		})
	}
}

func TestFunctionGivenUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.Config.Restart.MaxStarts = 3
	r.play("fn", linktest.Script{Trigger: func(a *linktest.Agent, _ agentlink.Trigger, _ func(agentlink.Answer)) { a.Die(nex.Exit{Code: 1}) }})
	r.start()
	s := r.function("fn")
	r.deploy(s)
	c := r.one(s)
	for n := range 3 {
		r.world.awaitState(t, s.ID, nex.StateRunning, n+1)
		c.call("die")
	}
	r.world.awaitState(t, s.ID, nex.StateFailed, 1)
	changes := r.world.changes(s.ID)
	if got, want := changes[len(changes)-1].Reason, "the agent ended with status 1, and the function with it; given up after 3 starts"; got != want {
		t.Errorf("reason = %q, want %q", got, want)
	}
	c.await(t, "the end", func() bool { return c.closed })
	if st := r.status(s); st == nil || st.State != nex.StateFailed || st.Calls == nil || st.Calls.Total != 3 {
		t.Errorf("status = %+v, want that it failed, with 3 calls", st)
	}
}

// A restart that cannot be attached is tried again.
func TestFunctionAttachedLater(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.functions.OnAttach = func(n int) error {
		if n == 2 || n == 3 {
			return nex.Errorf(nex.CodeStartFailed, "NATS is away")
		}
		return nil
	}
	r.start()
	s := r.function("fn")
	r.deploy(s)
	r.fleet.Of(s.ID).Die(nex.Exit{Code: 1})
	r.world.awaitState(t, s.ID, nex.StateRunning, 2)
	changes := r.world.changes(s.ID)
	if len(changes) != 6 || !regexp.MustCompile(`^NATS is away; starting again in \S+$`).MatchString(changes[3].Reason) {
		t.Errorf("path = %q, want two starts that fail", r.world.path(s.ID))
	}
	c := r.one(s)
	c.call("hello")
	c.await(t, "the answer", func() bool { return len(c.answers) == 1 })
	if a := c.answers[0]; string(a.Payload) != "hello" {
		t.Errorf("answer = %+v, want the payload", a)
	}
}
