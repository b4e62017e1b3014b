package workload_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/agentlink/linktest"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/sandbox/fake"
	"github.com/nex-engine/nex/internal/state"
	"github.com/nex-engine/nex/internal/workload"
)

// records is a Store in memory.
type records struct {
	mu      sync.Mutex
	fails   error // of Put
	byID    map[string]state.Record
	durable map[string]int // times that a record was put durably
}

func newRecords() *records {
	return &records{byID: map[string]state.Record{}, durable: map[string]int{}}
}

func (r *records) Put(rec state.Record, durable bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fails != nil {
		return r.fails
	}
	r.byID[rec.ID] = rec
	if durable {
		r.durable[rec.ID]++
	}
	return nil
}

func (r *records) Delete(id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.byID, id)
	return nil
}

func (r *records) of(id string) (state.Record, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rec, ok := r.byID[id]
	return rec, ok
}

func (r *records) all() []state.Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.byID))
}

func (r *records) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fails = err
}

// newKept makes a rig whose workloads are recorded.
func newKept(t *testing.T) (*rig, *records) {
	r, store := newRig(t), newRecords()
	r.Config.Store = store
	return r, store
}

// A workload is recorded, durably, before its agent is told to start it, with the agent, and until it ends.
func TestRecorded(t *testing.T) {
	t.Parallel()
	r, store := newKept(t)
	s := r.spec("prog")
	s.Restart = nex.RestartOnFailure
	s.Environment = map[string]string{"SECRET": "s"}
	var before state.Record
	r.play("prog", linktest.Script{Deploy: func(*linktest.Agent, agentlink.Deploy) agentlink.DeployReply {
		before, _ = store.of(s.ID)
		return agentlink.DeployReply{PID: 1}
	}})
	r.start()
	r.deploy(s)
	if before.AgentID == "" || before.State != nex.StateStarting || before.Restart != nex.RestartOnFailure || before.Digest != s.Digest || store.durable[s.ID] != 1 {
		t.Errorf("record when the agent is told = %+v, %d times durably", before, store.durable[s.ID])
	}
	if now, _ := store.of(s.ID); now.State != nex.StateRunning || now.Started.IsZero() || now.AgentID != before.AgentID {
		t.Errorf("record when it runs = %+v", now)
	}
	r.stop(s)
	if rec, ok := store.of(s.ID); ok {
		t.Errorf("record when it was stopped = %+v", rec)
	}
}

func TestNotRecorded(t *testing.T) {
	t.Parallel()
	for err, code := range map[error]nex.Code{syscall.ENOSPC: nex.CodeInsufficientResources, errors.New("broken"): nex.CodeInternal} {
		r, store := newKept(t)
		store.fail(err)
		r.start()
		s := r.spec("prog")
		if _, got := r.Deploy(t.Context(), s); nex.CodeOf(got) != code {
			t.Errorf("Deploy with %v = %v, want code %s", err, got, code)
		}
		store.fail(nil)
		other := r.spec("other")
		r.deploy(other)
		store.fail(err) // harms nothing that runs
		r.stop(other)
	}
}

// Stopped with the node, workloads start again with it as their policies say.
func TestStartAgainWithNode(t *testing.T) {
	t.Parallel()
	r, store := newKept(t)
	r.play(string(nex.RestartOnFailure), linktest.Script{Undeploy: func(*linktest.Agent, agentlink.Undeploy) agentlink.Exited {
		return agentlink.Exited{} // a success
	}})
	r.start()
	var all []workload.Spec
	for _, p := range nex.RestartPolicies {
		s := r.spec(string(p))
		s.Restart = p
		r.deploy(s)
		all = append(all, s)
	}
	if n := r.StartWithNode(); n != 2 {
		t.Errorf("StartWithNode = %d, want 2", n)
	}
	r.Close()
	for _, s := range all {
		rec, ok := store.of(s.ID)
		if want := s.Restart != nex.RestartNever; ok != want || rec.AgentID != "" {
			t.Errorf("record of %s = %+v, %v, want %v", s.Name, rec, ok, want)
		}
	}

	next := r.next(store)
	for _, s := range all {
		if s.Restart == nex.RestartNever {
			if st := next.status(s); st != nil {
				t.Errorf("%s is there: %+v", s.Name, st)
			}
			continue
		}
		next.world.awaitState(t, s.ID, nex.StateRunning, 1)
		if st := next.status(s); st.Restarts != 1 || st.Accepted.IsZero() {
			t.Errorf("status = %+v, want one restart", st)
		}
		next.stop(s)
	}
	if left := store.all(); len(left) > 0 {
		t.Errorf("records %+v are left", left)
	}
}

// next is the rig of the next node process, which has the records of this one.
func (r *rig) next(store *records) *rig {
	r.Helper()
	next := newRig(r.TB)
	next.Config.Store = store
	next.start()
	next.Restore(r.Context(), store.all())
	next.Resume()
	return next
}

// What ran when the node was killed, and is gone, is lost, or starts again.
func TestLostWithNode(t *testing.T) {
	t.Parallel()
	r, store := newKept(t)
	r.start()
	var all []workload.Spec
	for _, p := range nex.RestartPolicies {
		s := r.spec(string(p))
		s.Restart = p
		r.deploy(s)
		all = append(all, s)
	}
	killed := newRecords()
	killed.byID = maps.Clone(store.byID)
	next := r.next(killed)
	for _, s := range all {
		if s.Restart != nex.RestartNever {
			next.world.awaitState(t, s.ID, nex.StateRunning, 1)
			continue
		}
		next.world.awaitState(t, s.ID, nex.StateFailed, 1)
		if st := next.status(s); st == nil || st.Reason == "" {
			t.Errorf("status = %+v, want a reason", st)
		}
		if rec, ok := killed.of(s.ID); ok {
			t.Errorf("record = %+v, want none", rec)
		}
	}
}

// A stop that was under way is finished: nothing starts again.
func TestStopGoesOn(t *testing.T) {
	t.Parallel()
	r, store := newKept(t)
	s := r.spec("prog")
	s.Essential = true
	asked := make(chan state.Record, 1)
	r.play("prog", linktest.Script{Undeploy: func(*linktest.Agent, agentlink.Undeploy) agentlink.Exited {
		rec, _ := store.of(s.ID)
		asked <- rec
		return agentlink.Exited{Exit: linktest.Terminated}
	}})
	r.start()
	r.deploy(s)
	r.stop(s)
	rec := <-asked
	if rec.State != nex.StateStopping {
		t.Fatalf("record while it stops = %+v", rec)
	}
	killed := newRecords()
	killed.byID[s.ID] = rec
	next := r.next(killed)
	next.world.awaitState(t, s.ID, nex.StateStopped, 1)
	nextest.Await(t, "the record is gone", func() bool { return len(killed.all()) == 0 })
}

// Leave ends nothing: the agents go on, and the records say where they are.
func TestLeave(t *testing.T) {
	t.Parallel()
	r, store := newKept(t)
	wait, reached, _ := hold()
	running, fetching := r.spec("running"), r.spec("fetching")
	fetching.Restart = nex.RestartAlways
	r.start()
	r.deploy(running)
	r.artifacts.OnFetch = wait
	go func() { _, _ = r.Deploy(t.Context(), fetching) }()
	<-reached
	r.Leave()
	if n := r.driver.Live(); n != 1 {
		t.Errorf("%d sandboxes are left, want the one", n)
	}
	if rec, ok := store.of(running.ID); !ok || rec.State != nex.StateRunning || rec.AgentID == "" {
		t.Errorf("record = %+v, %v", rec, ok)
	}
	nextest.Await(t, "the other is recorded", func() bool {
		rec, ok := store.of(fetching.ID)
		return ok && rec.AgentID == "" && rec.State == nex.StateStarting
	})
	if _, err := r.Deploy(t.Context(), r.spec("late")); nex.CodeOf(err) != nex.CodeLameDuck {
		t.Errorf("Deploy after Leave = %v", err)
	}
	rec, _ := store.of(running.ID)
	r.abandon(rec.AgentID)
}

// What is kept is not believed when it is of something else.
func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	r, _ := newKept(t)
	r.start()
	for _, spec := range []string{"", "{", `{"spec":{"ID":"other"}}`} {
		if n := r.Restore(t.Context(), []state.Record{{ID: "w9", Name: "n", Namespace: "default", AgentID: "a", Accepted: time.Now(), Spec: []byte(spec)}}); n != 0 {
			t.Errorf("Restore of %q = %d agents", spec, n)
		}
	}
	r.Resume()
	if all := r.List(""); len(all) > 0 {
		t.Errorf("workloads = %+v, want none", all)
	}
}

// A node that is killed while it stops its workloads with itself has not stopped them for good.
func TestKilledWhileItStops(t *testing.T) {
	t.Parallel()
	r, store := newKept(t)
	var all []workload.Spec
	asked := make(chan state.Record, len(nex.RestartPolicies))
	for _, p := range nex.RestartPolicies {
		s := r.spec(string(p))
		s.Restart = p
		r.play(s.Name, linktest.Script{Undeploy: func(*linktest.Agent, agentlink.Undeploy) agentlink.Exited {
			rec, _ := store.of(s.ID)
			asked <- rec
			return agentlink.Exited{Exit: linktest.Terminated}
		}})
		all = append(all, s)
	}
	r.PoolSize = len(all)
	r.start()
	for _, s := range all {
		r.deploy(s)
	}
	r.Close()
	killed := newRecords()
	for range all {
		rec := <-asked
		killed.byID[rec.ID] = rec
	}
	next := r.next(killed)
	for _, s := range all {
		want := nex.StateRunning
		if s.Restart == nex.RestartNever {
			want = nex.StateStopped
		}
		next.world.awaitState(t, s.ID, want, 1)
	}
}

// Who stops a workload that the node is leaving is not told that it is stopped.
func TestStopWhileLeaving(t *testing.T) {
	t.Parallel()
	r, store := newKept(t)
	service, function := r.spec("service"), r.spec("function")
	function.Type = nex.TypeV8
	detaching, let := make(chan struct{}), make(chan struct{})
	var once sync.Once
	r.functions.OnDetach = func(ctx context.Context) {
		once.Do(func() { close(detaching) })
		select {
		case <-let:
		case <-ctx.Done():
		}
	}
	r.start()
	r.deploy(service)
	r.deploy(function)
	left := make(chan struct{})
	go func() {
		r.Leave()
		close(left)
	}()
	<-detaching
	err := r.Stop(t.Context(), service.Namespace, service.ID, service.Name, service.Issuer, time.Second)
	_, kept := store.of(service.ID)
	if stopped := err == nil; stopped == kept {
		t.Errorf("Stop = %v, and the workload is still recorded: %v", err, kept)
	}
	close(let)
	<-left
	for _, rec := range store.all() {
		r.abandon(rec.AgentID)
	}
	r.left = true
}

// The end of a job is recorded before its agent may forget it, and an end that nobody has recorded is the agent's
// to keep.
func TestExitIsRecordedFirst(t *testing.T) {
	t.Parallel()
	r, store := newKept(t)
	job := r.spec("job")
	job.Restart = nex.RestartOnFailure
	begin, heard := make(chan struct{}), make(chan error, 1)
	r.play("job", linktest.Script{Deploy: func(a *linktest.Agent, _ agentlink.Deploy) agentlink.DeployReply {
		go func() {
			<-begin
			heard <- a.Report(nex.Exit{})
		}()
		return agentlink.DeployReply{PID: 1}
	}})
	var first sync.Once
	seen := make(chan state.Record, 1)
	r.driver.OnDestroy = func(context.Context, *fake.Instance) error {
		first.Do(func() {
			rec, _ := store.of(job.ID)
			seen <- rec
		})
		return nil
	}
	r.start()
	r.deploy(job)
	close(begin)
	killed := newRecords()
	killed.byID[job.ID] = <-seen // as if the node ended before the sandbox was removed
	r.world.awaitState(t, job.ID, nex.StateCompleted, 1)
	next := r.next(killed)
	next.world.awaitState(t, job.ID, nex.StateCompleted, 1)
	if path := next.world.path(job.ID); len(path) != 1 {
		t.Errorf("the job went through %q, want that it is completed and nothing else", path)
	}
}

// What a workload asks of its sandbox counts for the next node process as well.
func TestRestoreAsksAgain(t *testing.T) {
	t.Parallel()
	r, store := newKept(t)
	r.start()
	s := r.spec("prog")
	s.Essential = true
	r.deploy(s)
	killed := newRecords()
	killed.byID = maps.Clone(store.byID)
	next := newRig(t)
	next.Config.Store = killed
	var refusals atomic.Int32
	next.Config.Refuse = func(workload.Spec) error {
		if refusals.Add(1) > 20 { // more than the starts that a policy allows
			return nil
		}
		return errors.New("this node is too weak")
	}
	next.Config.Restart.MaxStarts = 10
	next.start()
	next.Restore(t.Context(), killed.all())
	next.Resume()
	next.world.awaitState(t, s.ID, nex.StateRunning, 1)
	if n := refusals.Load(); n != 21 {
		t.Errorf("the node was asked %d times, want 21", n)
	}
}

// Who stops a workload that the node stops because it ends itself has stopped it for good.
func TestStopWhileTheNodeStops(t *testing.T) {
	t.Parallel()
	r, store := newKept(t)
	stopping, let := make(chan struct{}), make(chan struct{})
	quick, slow := r.spec("quick"), r.spec("slow")
	quick.Restart, slow.Restart = nex.RestartAlways, nex.RestartAlways
	r.play("slow", linktest.Script{Undeploy: func(*linktest.Agent, agentlink.Undeploy) agentlink.Exited {
		close(stopping)
		<-let
		return agentlink.Exited{Exit: linktest.Terminated}
	}})
	r.start()
	r.deploy(quick)
	r.deploy(slow)
	closed := make(chan struct{})
	go func() {
		r.Close()
		close(closed)
	}()
	<-stopping
	r.world.awaitState(t, quick.ID, nex.StateStopped, 1)
	r.stop(quick) // which has ended
	stopped := r.goStop(slow, time.Minute)
	nextest.Await(t, "the record says that it is stopped for good", func() bool {
		rec, _ := store.of(slow.ID)
		return !strings.Contains(string(rec.Spec), "node_stops")
	})
	close(let)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	<-closed
	if left := store.all(); len(left) > 0 {
		t.Errorf("records %+v are left", left)
	}
}

// An end that the world was not told, because it was away until the node ended, is told by the next process.
func TestEndIsToldByTheNext(t *testing.T) {
	t.Parallel()
	r, store := newKept(t)
	r.world.away.Store(true)
	r.play("failed", exits(nex.Exit{Code: 3}))
	r.play("completed", exits(nex.Exit{}))
	r.start()
	failed, completed, stopped := r.spec("failed"), r.spec("completed"), r.spec("stopped")
	for _, s := range []workload.Spec{failed, completed, stopped} {
		r.deploy(s)
	}
	r.world.awaitState(t, failed.ID, nex.StateFailed, 1)
	r.world.awaitState(t, completed.ID, nex.StateCompleted, 1)
	r.stop(stopped) // whose issuer knows
	nextest.Await(t, "the ends are recorded", func() bool {
		one, _ := store.of(failed.ID)
		other, _ := store.of(completed.ID)
		return one.State.Ended() && other.State.Ended()
	})
	if rec, ok := store.of(stopped.ID); ok {
		t.Errorf("record of what was stopped = %+v", rec)
	}
	before := r.world.changes(failed.ID)
	next := r.next(store)
	told := next.world.changes(failed.ID)
	if len(told) != 1 || told[0].To != before[len(before)-1].To || told[0].Reason != before[len(before)-1].Reason || told[0].Exit == nil {
		t.Errorf("the next process tells %+v, want the last of %+v", told, before)
	}
	if st := next.status(completed); st == nil || st.State != nex.StateCompleted {
		t.Errorf("status = %+v", st)
	}
	nextest.Await(t, "the records are gone", func() bool { return len(store.all()) == 0 })
}

// Who is told that a workload starts can rely on it.
func TestStartingIsRecorded(t *testing.T) {
	t.Parallel()
	r, store := newKept(t)
	wait, reached, let := hold()
	r.artifacts.OnFetch = wait
	r.Config.ReplyWithin = time.Millisecond
	r.start()
	s := r.spec("slow")
	deploy := r.goDeploy(s)
	<-reached
	if d := <-deploy; d.err != nil || d.state != nex.StateStarting {
		t.Fatalf("Deploy = %+v", d)
	}
	store.mu.Lock()
	durable := store.durable[s.ID]
	store.mu.Unlock()
	if durable == 0 {
		t.Error("a power failure would forget what starts")
	}
	let <- errors.New("broken")
	r.world.awaitState(t, s.ID, nex.StateFailed, 1)
	nextest.Await(t, "the record is gone", func() bool { return len(store.all()) == 0 })

	store.fail(syscall.ENOSPC)
	other := r.spec("other")
	if _, err := r.Deploy(t.Context(), other); nex.CodeOf(err) != nex.CodeInsufficientResources {
		t.Errorf("Deploy on a full disk = %v", err)
	}
	if st := r.status(other); st != nil {
		t.Errorf("it is there: %+v", st)
	}
}
