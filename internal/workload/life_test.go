package workload_test

import (
	"errors"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/agentlink/linktest"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/workload"
)

const (
	accepted = `^starting: accepted$`
	runs     = `^running: the program runs$`
	stopping = `^stopping: stopped on request$`
	stopped  = `^stopped: stopped on request$`
)

// TestLives goes every way through the table of states.
func TestLives(t *testing.T) {
	t.Parallel()
	exit := func(code int) func(*rig, workload.Spec) {
		return func(r *rig, s workload.Spec) { r.fleet.Of(s.ID).Exit(nex.Exit{Code: code}) }
	}
	again := func(of func(*rig, workload.Spec)) func(*rig, workload.Spec) {
		return func(r *rig, s workload.Spec) {
			of(r, s)
			r.world.awaitState(r, s.ID, nex.StateRunning, 2)
			r.stop(s)
		}
	}
	stop := func(r *rig, s workload.Spec) { r.stop(s) }
	tests := []struct {
		name      string
		essential bool
		maxStarts int
		do        func(*rig, workload.Spec)
		path      []string // patterns
		exit      *nex.Exit
		code      int // of the event that says that it is gone
	}{
		{"ends with success", false, 0, exit(0), []string{
			accepted, runs, `^completed: the program ended with status 0$`,
		}, &nex.Exit{}, 0},
		{"ends without success", false, 0, exit(3), []string{
			accepted, runs, `^failed: the program ended with status 3$`,
		}, &nex.Exit{Code: 3}, 3},
		{"is killed", false, 0, func(r *rig, s workload.Spec) { r.fleet.Of(s.ID).Exit(nex.Exit{Code: -1, Signal: "SIGSEGV"}) }, []string{
			accepted, runs, `^failed: the program was ended by SIGSEGV$`,
		}, &nex.Exit{Code: -1, Signal: "SIGSEGV"}, -1},
		{"runs out of memory", false, 0, func(r *rig, s workload.Spec) { r.fleet.Of(s.ID).Exit(nex.Exit{Code: -1, Signal: "SIGKILL", OOM: true}) }, []string{
			accepted, runs, `^failed: the program was killed because memory ran out$`,
		}, &nex.Exit{Code: -1, Signal: "SIGKILL", OOM: true}, -1},
		{"loses its agent", false, 0, func(r *rig, s workload.Spec) { r.fleet.Of(s.ID).Die(nex.Exit{Code: -1, Signal: "SIGKILL"}) }, []string{
			accepted, runs, `^failed: the agent was ended by SIGKILL, and the program with it$`,
		}, nil, 0},
		{"is stopped", false, 0, stop, []string{accepted, runs, stopping, stopped}, &linktest.Terminated, -1},
		{"is essential and stopped", true, 0, stop, []string{accepted, runs, stopping, stopped}, &linktest.Terminated, -1},
		{"is essential and fails", true, 0, again(exit(3)), []string{
			accepted, runs, `^restarting: the program ended with status 3; starting again in 1ms$`, runs, stopping, stopped,
		}, &linktest.Terminated, -1},
		{"is essential and ends", true, 0, again(exit(0)), []string{
			accepted, runs, `^restarting: the program ended with status 0; starting again in 1ms$`, runs, stopping, stopped,
		}, &linktest.Terminated, -1},
		{"is essential and loses its agent", true, 0, again(func(r *rig, s workload.Spec) { r.fleet.Of(s.ID).Die(nex.Exit{Code: 1}) }), []string{
			accepted, runs, `^restarting: the agent ended with status 1, and the program with it; starting again in 1ms$`, runs, stopping, stopped,
		}, &linktest.Terminated, -1},
		{"is essential and cannot start again at once", true, 0, again(func(r *rig, s workload.Spec) {
			failures := make(chan error, 2)
			failures <- errors.New("no such page")
			failures <- errors.New("no such file")
			r.play(s.Name, linktest.Script{Deploy: func(*linktest.Agent, agentlink.Deploy) agentlink.DeployReply {
				select {
				case err := <-failures:
					return agentlink.DeployReply{Error: err.Error(), Code: nex.CodeStartFailed}
				default:
					return agentlink.DeployReply{}
				}
			}})
			exit(1)(r, s)
		}), []string{
			accepted, runs,
			`^restarting: the program ended with status 1; starting again in 1ms$`,
			`^restarting: no such page; starting again in 2ms$`,
			`^restarting: no such file; starting again in [34]ms$`,
			runs, stopping, stopped,
		}, &linktest.Terminated, -1},
		{"is essential and is given up", true, 3, func(r *rig, s workload.Spec) {
			for n := 1; n <= 3; n++ {
				r.world.awaitState(r, s.ID, nex.StateRunning, n)
				exit(n)(r, s)
			}
		}, []string{
			accepted, runs,
			`^restarting: the program ended with status 1; starting again in 1ms$`, runs,
			`^restarting: the program ended with status 2; starting again in 2ms$`, runs,
			`^failed: the program ended with status 3; given up after 3 starts$`,
		}, &nex.Exit{Code: 3}, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.Config.Restart.MaxStarts = tt.maxStarts
			r.start()
			s := r.spec("prog")
			s.Essential = tt.essential
			r.deploy(s)
			tt.do(r, s)
			r.world.await(t, "it is gone", func() bool { _, ok := r.last().data.(nex.WorkloadUndeployed); return ok })

			changes := r.world.changes(s.ID)
			path := r.world.path(s.ID)
			if len(path) != len(tt.path) {
				t.Fatalf("path = %q, want %q", path, tt.path)
			}
			for i := range path {
				if !regexp.MustCompile(tt.path[i]).MatchString(path[i]) {
					t.Errorf("step %d = %q, want %s", i, path[i], tt.path[i])
				}
			}
			last := changes[len(changes)-1]
			if !reflect.DeepEqual(last.Exit, tt.exit) {
				t.Errorf("exit = %v, want %v", last.Exit, tt.exit)
			}
			want := nex.WorkloadUndeployed{WorkloadName: "prog", ID: s.ID, Message: last.Reason, Reason: string(last.To), Code: tt.code}
			if got := r.last(); got.data != any(want) || got.namespace != "default" {
				t.Errorf("last event = %+v, want %+v", got, want)
			}
		})
	}
}

// last is the last event.
func (r *rig) last() event {
	all := r.world.all()
	return all[len(all)-1]
}

func TestDeployRunsTheProgram(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	heard := make(chan agentlink.Deploy, 1)
	r.play("prog", linktest.Script{Deploy: func(_ *linktest.Agent, d agentlink.Deploy) agentlink.DeployReply {
		heard <- d
		return agentlink.DeployReply{PID: 7}
	}})
	r.start()
	s := r.spec("prog")
	s.Argv, s.Environment, s.Namespace = []string{"a", ""}, map[string]string{"K": "V"}, "ns"
	state, err := r.Deploy(t.Context(), s)
	if err != nil || state != nex.StateRunning {
		t.Fatalf("Deploy = %s, %v, want running", state, err)
	}
	d := <-heard
	want := agentlink.Deploy{
		WorkloadID: s.ID, Name: "prog", Namespace: "ns", Type: nex.TypeNative, Path: d.Path, Digest: s.Digest,
		Argv: s.Argv, Environment: s.Environment,
	}
	agent := r.driver.Instance(r.fleet.Of(s.ID).ID)
	if !reflect.DeepEqual(d, want) || d.Path == "" || d.Path != agent.Staged(sandbox.ForArtifact) {
		t.Errorf("the agent was told %+v, want %+v; staged was %s", d, want, agent.Staged(sandbox.ForArtifact))
	}
	st := r.status(s)
	if st.State != nex.StateRunning || st.Started.IsZero() || st.Accepted.IsZero() || st.Restarts != 0 || st.Exit != nil ||
		st.Digest != s.Digest || st.Sandbox != nex.SandboxMicroVM || !reflect.DeepEqual(st.Spec, s) {
		t.Errorf("status = %+v", st)
	}
	if e := r.last(); e.data != any(nex.WorkloadDeployed{WorkloadName: "prog", ID: s.ID, Sandbox: nex.SandboxMicroVM}) || e.namespace != "ns" {
		t.Errorf("last event = %+v, want that it was deployed", e)
	}
}

func TestRestartsAreCounted(t *testing.T) {
	t.Parallel()
	r := newRig(t).start()
	s := r.spec("prog")
	s.Essential = true
	r.deploy(s)
	agents := map[string]bool{}
	for n := 1; n <= 4; n++ {
		r.world.awaitState(t, s.ID, nex.StateRunning, n)
		st := r.status(s)
		if st.Restarts != n-1 {
			t.Errorf("start %d: %d restarts", n, st.Restarts)
		}
		a := r.fleet.Of(s.ID)
		agents[a.ID] = true
		a.Exit(nex.Exit{Code: n})
	}
	if len(agents) != 4 {
		t.Errorf("%d agents ran the program, want a fresh one each of 4 times", len(agents))
	}
}

// TestProgramThatEndsAtOnce is about an end that is told right after the answer to the deploy, and
// one that is heard of before it.
func TestProgramThatEndsAtOnce(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]linktest.Script{
		"after the answer": exits(nex.Exit{Code: 4}),
		"before the answer": {Deploy: func(a *linktest.Agent, _ agentlink.Deploy) agentlink.DeployReply {
			_ = a.Report(nex.Exit{Code: 4})
			a.Die(nex.Exit{})
			<-a.Gone()
			return agentlink.DeployReply{}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.play("quick", script)
			r.start()
			s := r.spec("quick")
			r.deploy(s)
			r.world.awaitState(t, s.ID, nex.StateFailed, 1)
			want := []string{"starting: accepted", "running: the program runs", "failed: the program ended with status 4"}
			if path := r.world.path(s.ID); !slices.Equal(path, want) {
				t.Errorf("path = %q, want %q", path, want)
			}
		})
	}
}

// TestAgentThatTellsTheEndAndDies is about an end that is told before anybody waits for it.
func TestAgentThatTellsTheEndAndDies(t *testing.T) {
	t.Parallel()
	r := newRig(t).start()
	s := r.spec("prog")
	r.deploy(s)
	a := r.fleet.Of(s.ID)
	for _, code := range []int{5, 6} { // the first counts
		if err := a.Report(nex.Exit{Code: code}); err != nil {
			t.Logf("report: %v", err) // of the second, the agent may be gone by then
		}
	}
	a.Die(nex.Exit{Code: 1})
	r.world.awaitState(t, s.ID, nex.StateFailed, 1)
	if st := r.status(s); st == nil || st.Reason != "the program ended with status 5" {
		t.Errorf("status = %+v, want that the program ended with status 5", st)
	}
}

// A sandbox that is ended for want of memory takes its agent along; that it was memory is told nevertheless.
func TestSandboxWithoutMemory(t *testing.T) {
	t.Parallel()
	r := newRig(t).start()
	s := r.spec("prog")
	r.deploy(s)
	killed := nex.Exit{Code: -1, Signal: "SIGKILL", OOM: true}
	r.fleet.Of(s.ID).Die(killed)
	r.world.awaitState(t, s.ID, nex.StateFailed, 1)
	if st := r.status(s); st == nil || st.Exit == nil || *st.Exit != killed || !strings.Contains(st.Reason, "memory") {
		t.Errorf("status = %+v, want exit %+v", st, killed)
	}
}
