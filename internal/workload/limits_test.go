package workload_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/workload"
)

func TestMaxWorkloads(t *testing.T) {
	t.Parallel()
	const most = 3
	r := newRig(t)
	r.Config.Limits.Workloads = most
	r.PoolSize = 2
	r.start()
	specs := make([]workload.Spec, 30)
	errs := make([]error, len(specs))
	var wg sync.WaitGroup
	for i := range specs {
		specs[i] = r.spec(fmt.Sprintf("prog%d", i))
	}
	for i := range specs {
		wg.Go(func() { _, errs[i] = r.Deploy(t.Context(), specs[i]) })
	}
	wg.Wait()
	var running []workload.Spec
	for i, err := range errs {
		switch {
		case err == nil:
			running = append(running, specs[i])
		case !errors.Is(err, nex.ErrNodeFull):
			t.Errorf("deploy %d: %v, want %v", i, err, nex.ErrNodeFull)
		case len(r.world.changes(specs[i].ID)) > 0:
			t.Errorf("deploy %d was refused, and there are events: %q", i, r.world.path(specs[i].ID))
		}
	}
	if len(running) != most || r.Active() != most {
		t.Fatalf("%d workloads run, %d are active, want %d", len(running), r.Active(), most)
	}
	if err := r.Full(); !errors.Is(err, nex.ErrNodeFull) {
		t.Errorf("Full = %v, want %v", err, nex.ErrNodeFull)
	}
	// A stop and an end make room, each for one.
	r.stop(running[0])
	r.fleet.Of(running[1].ID).Exit(nex.Exit{})
	r.world.awaitState(t, running[1].ID, nex.StateCompleted, 1)
	nextest.Await(t, "there is room", func() bool { return r.Active() == most-2 })
	if err := r.Full(); err != nil {
		t.Errorf("Full = %v, want nil", err)
	}
	for i := range 3 {
		_, err := r.Deploy(t.Context(), r.spec(fmt.Sprintf("next%d", i)))
		if i < 2 && err != nil || i == 2 && !errors.Is(err, nex.ErrNodeFull) {
			t.Errorf("deploy %d after two have ended: %v", i, err)
		}
	}
}

func TestByteLimits(t *testing.T) {
	t.Parallel()
	for _, unknown := range []bool{false, true} {
		name := "of known size"
		if unknown {
			name = "of unknown size"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.Config.Limits = workload.Limits{WorkloadBytes: 1000, TotalBytes: 2500}
			r.artifacts.UnknownSize = unknown
			r.start()
			tooLarge := func(what string, s workload.Spec) {
				t.Helper()
				if _, err := r.Deploy(t.Context(), s); !errors.Is(err, nex.ErrArtifactTooLarge) {
					t.Errorf("%s: %v, want %v", what, err, nex.ErrArtifactTooLarge)
				}
			}
			reserved := func(want int64) {
				t.Helper()
				if got := r.Reserved(); got != want {
					t.Errorf("%d bytes are reserved, want %d", got, want)
				}
			}
			tooLarge("more than one may have", r.spec("large", 1001))
			a, b := r.spec("a", 1000), r.spec("b", 1000)
			a.Essential = true
			r.deploy(a)
			r.deploy(b)
			reserved(2000)
			tooLarge("more than all may have", r.spec("c", 501))
			reserved(2000)
			c := r.spec("c", 500)
			r.deploy(c)
			reserved(2500)

			// A workload that is started again takes no more than before.
			r.fleet.Of(a.ID).Exit(nex.Exit{Code: 1})
			r.world.awaitState(t, a.ID, nex.StateRunning, 2)
			reserved(2500)

			r.stop(b)
			reserved(1500)
			r.fleet.Of(c.ID).Exit(nex.Exit{})
			r.world.await(t, "its bytes are given back", func() bool { return r.Reserved() == 1000 })
			r.deploy(r.spec("d", 1000))
		})
	}
}

// TestUnknownSizeCountsForNothing until the artifact is here.
func TestUnknownSizeCountsForNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.artifacts.UnknownSize = true
	wait, reached, let := hold()
	r.artifacts.OnFetch = wait
	r.start()
	deploy := r.goDeploy(r.spec("prog", 1000))
	<-reached
	if n := r.Reserved(); n != 0 {
		t.Errorf("%d bytes are reserved before the fetch, want none", n)
	}
	let <- nil
	if d := <-deploy; d.err != nil {
		t.Fatal(d.err)
	}
	if n := r.Reserved(); n != 1000 {
		t.Errorf("%d bytes are reserved, want 1000", n)
	}
}

// TestTotalLimitAlone bounds what is downloaded too.
func TestTotalLimitAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.Config.Limits.TotalBytes = 1000
	r.artifacts.UnknownSize = true
	r.start()
	if _, err := r.Deploy(t.Context(), r.spec("large", 1<<20)); !errors.Is(err, nex.ErrArtifactTooLarge) {
		t.Errorf("error = %v, want %v", err, nex.ErrArtifactTooLarge)
	}
	r.deploy(r.spec("fits", 1000))
}

func TestIDInUse(t *testing.T) {
	t.Parallel()
	r := newRig(t).start()
	s := r.spec("prog")
	r.deploy(s)
	if _, err := r.Deploy(t.Context(), s); nex.CodeOf(err) != nex.CodeInternal {
		t.Errorf("error = %v, want code %s", err, nex.CodeInternal)
	}
	if st := r.status(s); st == nil || st.State != nex.StateRunning {
		t.Errorf("status = %+v, want that it still runs", st)
	}
}

func TestNewManagerWantsItsParts(t *testing.T) {
	if _, err := workload.NewManager(workload.Config{}); err == nil {
		t.Error("a manager was made of nothing")
	}
}
