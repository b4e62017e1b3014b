package workload_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/workload"
)

// names of workloads, in their order.
func names(list []workload.Status) (names []string) {
	for _, s := range list {
		names = append(names, s.Spec.Name)
	}
	return names
}

func TestList(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.PoolSize = 2
	r.start()
	for i, namespace := range []string{"b", "a", "b", "c"} {
		s := r.spec(fmt.Sprintf("%s%d", namespace, i))
		s.Namespace = namespace
		r.deploy(s)
	}
	for namespace, want := range map[string][]string{
		"": {"b0", "a1", "b2", "c3"}, "a": {"a1"}, "b": {"b0", "b2"}, "c": {"c3"}, "d": nil,
	} {
		if got := names(r.List(namespace)); !slices.Equal(got, want) {
			t.Errorf("List(%q) = %v, want %v", namespace, got, want)
		}
	}
}

func TestEndedWorkloadsAreRememberedFor100(t *testing.T) {
	t.Parallel()
	const deployed, most = 105, 100
	r := newRig(t)
	r.PoolSize = 4
	for i := range deployed {
		r.play(fmt.Sprintf("prog%d", i), exits(nex.Exit{Code: 1}))
	}
	r.start()
	keeps := r.spec("keeps-running")
	r.deploy(keeps)
	for i := range deployed {
		s := r.spec(fmt.Sprintf("prog%d", i))
		r.deploy(s)
		r.world.awaitState(t, s.ID, nex.StateFailed, 1)
		nextest.Await(t, "it has ended", func() bool { return r.Active() == 1 }) // which comes after the last event
	}
	want := []string{"keeps-running"}
	for i := deployed - most; i < deployed; i++ {
		want = append(want, fmt.Sprintf("prog%d", i))
	}
	if got := names(r.List("")); !slices.Equal(got, want) {
		t.Errorf("%d workloads are remembered, want the last %d: %v", len(got)-1, most, got)
	}
}

func TestSuccessorMakesForgetThePredecessor(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.play("prog", exits(nex.Exit{Code: 1}))
	r.start()
	deploy := func(edit func(*workload.Spec)) workload.Spec {
		s := r.spec("prog")
		edit(&s)
		r.deploy(s)
		r.world.awaitState(t, s.ID, nex.StateFailed, 1)
		nextest.Await(t, "it has ended", func() bool { return r.Active() == 0 }) // after all that is told of it
		return s
	}
	same := func(*workload.Spec) {}
	old := deploy(same)
	namespace := deploy(func(s *workload.Spec) { s.Namespace = "other" })
	another := deploy(func(s *workload.Spec) { s.Issuer = "OTHER" })
	if r.status(old) == nil {
		t.Fatal("a workload was forgotten that has no successor")
	}
	successor := deploy(same)
	if r.status(old) != nil {
		t.Error("a workload is remembered whose successor is here")
	}
	for _, s := range []workload.Spec{namespace, another, successor} {
		if r.status(s) == nil {
			t.Errorf("workload %+v was forgotten", s)
		}
	}
}

// TestReplicas shows that a workload that runs is no predecessor.
func TestReplicas(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.PoolSize = 2
	r.start()
	a, b := r.spec("prog"), r.spec("prog")
	r.deploy(a)
	r.deploy(b)
	if got := len(r.List("default")); got != 2 {
		t.Errorf("%d replicas run, want 2", got)
	}
	r.stop(a)
	if st := r.status(b); st == nil || st.State != nex.StateRunning {
		t.Errorf("status of the other replica = %+v, want that it runs", st)
	}
}

func TestLogs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.PoolSize = 3
	r.start()
	a, b, other := r.spec("a"), r.spec("b"), r.spec("a")
	other.Namespace = "other"
	at := time.Unix(1000, 0).UTC()
	say := func(s workload.Spec, text string) {
		t.Helper()
		at = at.Add(time.Second)
		before := len(r.world.lines())
		// An agent that names another workload's id is not believed.
		if err := r.fleet.Of(s.ID).Logs(nex.LogRecord{Text: text, ID: b.ID, Level: 4, Stream: nex.StreamStderr, Time: at, Seq: 1}); err != nil {
			t.Fatal(err)
		}
		r.world.await(t, text+" is published", func() bool { return len(r.world.lines()) > before })
		want := line{s.Namespace, s.Name, nex.LogRecord{Text: text, ID: s.ID, Level: 4, Stream: nex.StreamStderr, Time: at, Seq: 1}}
		got := r.world.lines()[before]
		if got.Run == "" {
			t.Errorf("published %+v without the run", got)
		}
		want.Run = got.Run
		if got != want {
			t.Errorf("published %+v, want %+v", got, want)
		}
	}
	for _, s := range []workload.Spec{a, b, other} {
		r.deploy(s)
	}
	say(a, "a1")
	say(b, "b1")
	say(other, "o1")
	say(a, "a2")
	say(b, "b2")

	tests := []struct {
		namespace, idOrName string
		n                   int
		want                []string
	}{
		{"default", "", 100, []string{"a1", "b1", "a2", "b2"}},
		{"default", "", 3, []string{"b1", "a2", "b2"}},
		{"default", "a", 100, []string{"a1", "a2"}},
		{"default", "a", 1, []string{"a2"}},
		{"default", b.ID, 100, []string{"b1", "b2"}},
		{"default", other.ID, 100, nil},
		{"default", "nobody", 100, nil},
		{"other", "a", 100, []string{"o1"}},
		{"", "", 100, nil},
		{"nowhere", "", 100, nil},
	}
	for _, tt := range tests {
		var got []string
		for _, l := range r.Logs(tt.namespace, tt.idOrName, tt.n) {
			got = append(got, l.Text)
			if l.Workload != l.Text[:1] && tt.namespace == "default" {
				t.Errorf("line %q is of workload %s", l.Text, l.Workload)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("Logs(%q, %q, %d) = %v, want %v", tt.namespace, tt.idOrName, tt.n, got, tt.want)
		}
	}
}

// TestLogsOfARestart are of all runs of a workload, and say why there is more than one.
func TestLogsOfARestart(t *testing.T) {
	t.Parallel()
	r := newRig(t).start()
	s := r.spec("prog")
	s.Essential = true
	r.deploy(s)
	a := r.fleet.Of(s.ID)
	if err := a.Print("first run"); err != nil {
		t.Fatal(err)
	}
	a.Exit(nex.Exit{Code: 3})
	r.world.awaitState(t, s.ID, nex.StateRunning, 2)
	if err := r.fleet.Of(s.ID).Print("second run"); err != nil {
		t.Fatal(err)
	}
	r.world.await(t, "all is said", func() bool { return len(r.world.lines()) == 3 })
	var got []string
	for _, l := range r.Logs("default", "prog", 10) {
		got = append(got, l.Stream+": "+l.Text)
	}
	want := []string{"stdout: first run", "nex: the program ended with status 3; starting again in 1ms", "stdout: second run"}
	if !slices.Equal(got, want) {
		t.Errorf("log = %q, want %q", got, want)
	}
}
