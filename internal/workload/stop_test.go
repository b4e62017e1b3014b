package workload_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/agentlink/linktest"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/fake"
	"github.com/nex-engine/nex/internal/workload"
)

// deployed is what came of a Deploy.
type deployed struct {
	state nex.State
	err   error
}

// goDeploy deploys in a goroutine.
func (r *rig) goDeploy(s workload.Spec) <-chan deployed {
	c := make(chan deployed, 1)
	go func() {
		state, err := r.Deploy(r.Context(), s)
		c <- deployed{state, err}
	}()
	return c
}

// neverRan is the way of a workload that is stopped before it runs.
var neverRan = []string{"starting: accepted", "stopping: stopped on request", "stopped: stopped on request"}

func TestStopBeforeItRuns(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		edit func(r *rig) (reached <-chan struct{}) // what makes the start hang
	}{
		{"while the artifact is looked up", func(r *rig) <-chan struct{} {
			wait, reached, _ := hold()
			r.artifacts.OnCheck = wait
			return reached
		}},
		{"while the artifact is fetched", func(r *rig) <-chan struct{} {
			wait, reached, _ := hold()
			r.artifacts.OnFetch = wait
			return reached
		}},
		{"while an agent is awaited", func(r *rig) <-chan struct{} {
			reached := make(chan struct{}, 10)
			r.fleet.Script = func(int) linktest.Script {
				return linktest.Script{Hello: func(a *linktest.Agent) bool {
					reached <- struct{}{}
					return linktest.Silent(a)
				}}
			}
			return reached
		}},
		{"while the artifact is staged", func(r *rig) <-chan struct{} {
			wait, reached, _ := hold()
			r.driver.OnStage = func(ctx context.Context, _ *fake.Instance, _ sandbox.Purpose, _ string) error { return wait(ctx) }
			return reached
		}},
		{"while the agent hangs", func(r *rig) <-chan struct{} {
			reached := make(chan struct{}, 10)
			r.play("prog", linktest.Script{Deploy: func(a *linktest.Agent, _ agentlink.Deploy) agentlink.DeployReply {
				reached <- struct{}{}
				<-a.Gone()
				return agentlink.DeployReply{}
			}})
			return reached
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			reached := tt.edit(r)
			r.start()
			s := r.spec("prog")
			deploy := r.goDeploy(s)
			<-reached
			if err := r.Stop(t.Context(), "default", s.ID, "prog", issuer, 20*time.Millisecond); err != nil {
				t.Fatal(err)
			}
			if d := <-deploy; nex.CodeOf(d.err) != nex.CodeStartFailed || d.err.Error() != "workload prog was stopped before it ran" {
				t.Errorf("Deploy = %s, %v, want that it was stopped", d.state, d.err)
			}
			if path := r.world.path(s.ID); !slices.Equal(path, neverRan) {
				t.Errorf("path = %q, want %q", path, neverRan)
			}
			if list := r.List(""); len(list) != 0 {
				t.Errorf("workloads = %v, want none", list)
			}
		})
	}
}

// TestStopWhileTheProgramStarts shows that a start that is under way is finished, within the grace
// period, so that the program is told to stop like any other.
func TestStopWhileTheProgramStarts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	reached, proceed := make(chan struct{}), make(chan struct{})
	told := make(chan struct{}, 1)
	r.play("prog", linktest.Script{
		Deploy: func(*linktest.Agent, agentlink.Deploy) agentlink.DeployReply {
			close(reached)
			<-proceed
			return agentlink.DeployReply{PID: 1}
		},
		Undeploy: func(*linktest.Agent, agentlink.Undeploy) agentlink.Exited {
			told <- struct{}{}
			return agentlink.Exited{}
		},
	})
	r.start()
	s := r.spec("prog")
	deploy := r.goDeploy(s)
	<-reached
	stop := r.goStop(s, time.Minute)
	proceed <- struct{}{}
	if err := <-stop; err != nil {
		t.Fatal(err)
	}
	if d := <-deploy; d.err != nil {
		t.Errorf("Deploy = %s, %v, want that it ran", d.state, d.err)
	}
	select {
	case <-told:
	default:
		t.Error("the program was not told to stop")
	}
}

func TestStopDuringTheWaitBeforeARestart(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.Config.Restart = workload.Restart{First: time.Hour, Most: time.Hour}
	r.play("prog", exits(nex.Exit{Code: 1}))
	r.start()
	s := r.spec("prog")
	s.Essential = true
	r.deploy(s)
	r.world.awaitState(t, s.ID, nex.StateRestarting, 1)
	r.stop(s)
	path := r.world.path(s.ID)
	if tail := path[len(path)-2:]; !slices.Equal(tail, neverRan[1:]) {
		t.Errorf("path = %q, want that it ends with %q", path, neverRan[1:])
	}
}

// TestStopReturnsWhenTheSandboxIsGone is what a user counts on who starts a successor.
func TestStopReturnsWhenTheSandboxIsGone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	destroying, proceed := make(chan struct{}), make(chan struct{})
	var once sync.Once
	r.driver.OnDestroy = func(context.Context, *fake.Instance) error {
		once.Do(func() { close(destroying) })
		<-proceed
		return nil
	}
	r.start()
	s := r.spec("prog")
	r.deploy(s)
	agent := r.fleet.Of(s.ID).ID
	stop := r.goStop(s, time.Minute)
	<-destroying
	select {
	case err := <-stop:
		t.Errorf("Stop = %v while the sandbox is there", err)
	default:
	}
	if state := r.world.state(s.ID); state != nex.StateStopping {
		t.Errorf("state = %s while the sandbox is there, want stopping", state)
	}
	close(proceed)
	if err := <-stop; err != nil {
		t.Fatal(err)
	}
	if r.driver.Instance(agent) != nil {
		t.Error("the sandbox is there after Stop")
	}
	if list := r.List(""); len(list) != 0 || r.Active() != 0 {
		t.Errorf("workloads = %v, want none", list)
	}
}

func TestStopOfAnAgentThatHangs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.play("prog", linktest.Script{Undeploy: func(a *linktest.Agent, _ agentlink.Undeploy) agentlink.Exited {
		<-a.Gone()
		return agentlink.Exited{}
	}})
	r.start()
	s := r.spec("prog")
	r.deploy(s)
	// The time to kill the program's processes is given in any case: take it away beforehand.
	if err := <-r.goStop(s, -5*time.Second+20*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	changes := r.world.changes(s.ID)
	last := changes[len(changes)-1]
	want := "stopped on request; its sandbox was killed: request to agent " + r.fleet.Of(s.ID).ID + ": the agent did not stop the workload in time"
	if last.To != nex.StateStopped || last.Reason != want {
		t.Errorf("last change = %+v, want reason %q", last, want)
	}
}

func TestStopOfAnAgentThatDies(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.play("prog", linktest.Script{Undeploy: func(a *linktest.Agent, _ agentlink.Undeploy) agentlink.Exited {
		a.Die(nex.Exit{Code: 1})
		<-a.Gone()
		return agentlink.Exited{}
	}})
	r.start()
	s := r.spec("prog")
	r.deploy(s)
	r.stop(s)
	changes := r.world.changes(s.ID)
	want := "stopped on request; its sandbox was killed: request to agent " + r.fleet.Of(s.ID).ID + ": the agent ended with status 1"
	if last := changes[len(changes)-1]; last.Reason != want {
		t.Errorf("last change = %+v, want reason %q", last, want)
	}
}

func TestStopTellsTheGracePeriod(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	heard := make(chan time.Duration, 1)
	r.play("prog", linktest.Script{Undeploy: func(_ *linktest.Agent, u agentlink.Undeploy) agentlink.Exited {
		heard <- u.Grace
		return agentlink.Exited{Exit: nex.Exit{Code: 3}}
	}})
	r.start()
	s := r.spec("prog")
	r.deploy(s)
	if err := <-r.goStop(s, 17*time.Second); err != nil {
		t.Fatal(err)
	}
	if d := <-heard; d != 17*time.Second {
		t.Errorf("the agent heard of %s, want 17s", d)
	}
	changes := r.world.changes(s.ID)
	if last := changes[len(changes)-1]; last.Exit == nil || last.Exit.Code != 3 {
		t.Errorf("last change = %+v, want exit status 3", last)
	}
}

func TestStopOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	r := newRig(t).start()
	s := r.spec("prog")
	r.deploy(s)
	for _, tt := range []struct{ name, namespace, id, workload, issuer string }{
		{"namespace", "other", s.ID, "prog", issuer},
		{"id", "default", "w999", "prog", issuer},
		{"workload name", "default", s.ID, "other", issuer},
		{"issuer", "default", s.ID, "prog", "OTHER"},
		{"issuer, none", "default", s.ID, "prog", ""},
		{"everything", "", "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := r.Stop(t.Context(), tt.namespace, tt.id, tt.workload, tt.issuer, 0)
			if err != nex.ErrWorkloadNotFound {
				t.Errorf("error = %v, want %v", err, nex.ErrWorkloadNotFound)
			}
		})
	}
	if st := r.status(s); st == nil || st.State != nex.StateRunning {
		t.Errorf("status = %+v, want that it still runs", st)
	}
	r.stop(s)
	if err := <-r.goStop(s, 0); err != nex.ErrWorkloadNotFound {
		t.Errorf("second stop: %v, want %v", err, nex.ErrWorkloadNotFound)
	}
}

func TestStopConcurrently(t *testing.T) {
	t.Parallel()
	r := newRig(t).start()
	s := r.spec("prog")
	r.deploy(s)
	var stops []<-chan error
	for range 20 {
		stops = append(stops, r.goStop(s, time.Minute))
	}
	succeeded := 0
	for _, stop := range stops {
		switch err := <-stop; {
		case err == nil:
			succeeded++
		case err != nex.ErrWorkloadNotFound:
			t.Errorf("error = %v, want %v", err, nex.ErrWorkloadNotFound)
		}
		if r.driver.Live() != r.pool.Idle() {
			t.Error("a Stop returned before the sandbox was gone")
		}
	}
	if succeeded != 1 {
		t.Errorf("%d of 20 stops succeeded, want one", succeeded)
	}
}

func TestStopThatIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	reached, proceed := make(chan struct{}), make(chan struct{})
	r.play("prog", linktest.Script{Undeploy: func(*linktest.Agent, agentlink.Undeploy) agentlink.Exited {
		close(reached)
		<-proceed
		return agentlink.Exited{}
	}})
	r.start()
	s := r.spec("prog")
	r.deploy(s)
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-reached
		cancel(errors.New("the node is stopping"))
	}()
	err := r.Stop(ctx, "default", s.ID, "prog", issuer, time.Minute)
	if want := "workload " + s.ID + " is still stopping: the node is stopping"; nex.CodeOf(err) != nex.CodeTimeout || err.Error() != want {
		t.Errorf("error = %v (%s), want %s", err, nex.CodeOf(err), want)
	}
	close(proceed)
	r.world.awaitState(t, s.ID, nex.StateStopped, 1)
	nextest.Await(t, "it is forgotten", func() bool { return r.status(s) == nil })
}

func TestStopOfWhatHasEnded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.play("prog", exits(nex.Exit{}))
	r.start()
	s := r.spec("prog")
	r.deploy(s)
	r.world.awaitState(t, s.ID, nex.StateCompleted, 1)
	if st := r.status(s); st == nil || st.State != nex.StateCompleted {
		t.Errorf("status = %+v, want completed", st)
	}
	r.stop(s)
	if st := r.status(s); st != nil {
		t.Errorf("status = %+v after the stop, want none", st)
	}
	if err := <-r.goStop(s, 0); err != nex.ErrWorkloadNotFound {
		t.Errorf("second stop: %v, want %v", err, nex.ErrWorkloadNotFound)
	}
}

// TestLastLinesOfAStop are published before it is known that the workload has stopped.
func TestLastLinesOfAStop(t *testing.T) {
	t.Parallel()
	const lines = 300
	r := newRig(t)
	r.play("prog", linktest.Script{Undeploy: func(a *linktest.Agent, _ agentlink.Undeploy) agentlink.Exited {
		for range lines {
			_ = a.Print("goodbye")
		}
		return agentlink.Exited{}
	}})
	r.start()
	s := r.spec("prog")
	r.deploy(s)
	r.stop(s)
	if n := len(r.world.lines()); n != lines {
		t.Errorf("%d lines were published when Stop returned, want %d", n, lines)
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.play("ended", exits(nex.Exit{Code: 1}))
	r.play("restarting", exits(nex.Exit{Code: 1}))
	r.Config.Restart = workload.Restart{First: time.Hour, Most: time.Hour}
	wait, reached, _ := hold()
	r.artifacts.OnFetch = func(ctx context.Context) error { return nil }
	r.start()
	running, ended, restarting := r.spec("running"), r.spec("ended"), r.spec("restarting")
	restarting.Essential = true
	for _, s := range []workload.Spec{running, ended, restarting} {
		r.deploy(s)
	}
	r.world.awaitState(t, ended.ID, nex.StateFailed, 1)
	r.world.awaitState(t, restarting.ID, nex.StateRestarting, 1)
	r.artifacts.OnFetch = wait
	starting := r.spec("starting")
	deploy := r.goDeploy(starting)
	<-reached

	r.Close()
	if d := <-deploy; d.err == nil {
		t.Errorf("Deploy = %s, want an error", d.state)
	}
	for _, s := range []workload.Spec{running, restarting, starting} {
		if state := r.world.state(s.ID); state != nex.StateStopped {
			t.Errorf("%s is %s after Close, want stopped", s.Name, state)
		}
	}
	for _, s := range []workload.Spec{running, starting} {
		if st := r.status(s); st != nil {
			t.Errorf("%s is there after Close: %+v", s.Name, st)
		}
	}
	for _, s := range []workload.Spec{ended, restarting} { // the latter until somebody else stops it
		if r.status(s) == nil {
			t.Errorf("%s is not there after Close", s.Name)
		}
	}
	_, err := r.Deploy(t.Context(), r.spec("late"))
	if want := "the node is stopping: choose another node"; nex.CodeOf(err) != nex.CodeLameDuck || err.Error() != want {
		t.Errorf("Deploy after Close: %v, want %s", err, want)
	}
}
