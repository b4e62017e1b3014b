package faults_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/nextest"
)

// TestFaults lets things go wrong around workloads that are ordinary processes.
func TestFaults(t *testing.T) { suite(t, nex.SandboxNone) }

// TestFaultsInSandboxes is the same with each workload in a sandbox.
func TestFaultsInSandboxes(t *testing.T) { suite(t, nex.SandboxGVisor) }

func needRoot(t *testing.T) {
	t.Helper()
	if !nextest.Sandboxed() {
		t.Skip("the fault suite needs root: for network namespaces, file systems and sandboxes")
	}
}

// clockFormat is how times are shown.
const clockFormat = "15:04:05.000"

func suite(t *testing.T, level nex.SandboxLevel) {
	needRoot(t)
	seed := *seedFlag
	if seed == 0 {
		seed = time.Now().UnixNano() & (1<<31 - 1)
	}
	t.Logf("seed %d: repeat this with -args -seed %d", seed, seed)
	rng := func(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(uint64(seed), stream)) }

	w := newWorld(t, level)
	w.told = listen(t, w.nc)
	w.begin(t, rng(1))
	var history history
	choices, began := rng(2), time.Now()
	deck := newDeck(t, level, choices)
	for number := 1; *faultsFlag == 0 || number <= *faultsFlag; number++ {
		if *durationFlag > 0 && time.Since(began) > *durationFlag {
			break
		}
		s := newStep(w, number, deck.next(), choices, *holdFlag)
		took, err := w.happen(t, s)
		history.add(s, took)
		t.Logf("%s; well again after %s", s, took.Round(time.Millisecond))
		if err != nil {
			t.Fatalf("after fault %s\n%v\nseed %d; the faults before were\n%s", s, err, seed, history.last())
		}
	}
	took := time.Since(began)
	w.churn.end()
	t.Logf("%d faults in %s; %s; %d deployed and stopped, refusals %v\n%s", len(history.steps), took.Round(time.Second),
		w.load, w.churn.rounds, w.churn.refused, history.summary())
	w.finish(t)
}

// begin deploys all, waits until it runs, and counts what there is.
func (w *world) begin(t *testing.T, churning *rand.Rand) {
	t.Helper()
	w.mix = newMix(w.nodes)
	for _, x := range w.mix {
		must(t, w.deploy(t.Context(), x))
	}
	load, err := w.dial("load")
	must(t, err)
	t.Cleanup(load.Close)
	w.load = startLoad(t, load, w.mix)
	w.load.fault(true) // it does not count before all are there
	w.churn = startChurn(t, w, churning)
	w.churn.turn.Lock()
	defer w.churn.turn.Unlock()
	s := &step{node: w.nodes[0], healed: time.Now(), blamed: map[*workload]bool{}}
	for _, i := range invariants[:4] {
		for _, s.node = range w.nodes {
			if err := w.await(t.Context(), s, i); err != nil {
				t.Fatalf("before the first fault: %s: %v", i.name, err)
			}
		}
	}
	w.load.healed()
	for _, n := range w.nodes {
		w.first[n] = w.steady(t, n)
		t.Logf("of node %s there are %v", n.name, w.first[n])
	}
}

// happen lets a fault happen, and waits until all is well again. It returns how long that took.
func (w *world) happen(t *testing.T, s *step) (time.Duration, error) {
	w.load.fault(s.fault.loses)
	heal, err := s.fault.inject(w, s)
	if err != nil {
		return 0, fmt.Errorf("it could not be injected: %w", err)
	}
	if heal != nil {
		time.Sleep(s.hold) // it lasts
		if err := heal(); err != nil {
			return 0, fmt.Errorf("it could not be mended: %w", err)
		}
	}
	s.healed = time.Now()
	w.churn.turn.Lock()
	defer w.churn.turn.Unlock()
	err = w.settle(t.Context(), s)
	w.load.healed()
	return time.Since(s.healed), err
}

// finish stops all workloads, and ends nodes and servers as they want to be ended.
func (w *world) finish(t *testing.T) {
	t.Helper()
	for _, x := range w.mix {
		must(t, w.stop(t.Context(), x.node, x.id, x.name))
	}
	for _, n := range w.nodes {
		must(t, n.process.Stop())
		if left := n.left(); len(left) > 0 {
			t.Errorf("of node %s, which has ended, there is\n%s", n.name, n.inventory())
		}
	}
	for _, s := range w.servers {
		must(t, s.process.Stop())
	}
}

// keepLogs writes the logs where go test -artifacts keeps them, and shows their ends.
func (w *world) keepLogs(t *testing.T) {
	show := func(name, log string) {
		if err := os.WriteFile(filepath.Join(t.ArtifactDir(), name+".log"), []byte(log), 0o600); err != nil {
			t.Logf("keep the log of %s: %v", name, err)
		}
		const most = 100
		lines := strings.Split(log, "\n")
		t.Logf("the log of %s ends\n%s", name, strings.Join(lines[max(0, len(lines)-most):], "\n"))
	}
	for _, n := range w.nodes {
		show("node-"+n.name, n.log())
	}
	for _, s := range w.servers {
		show(s.name, s.log())
	}
}

// deck has each fault once, and then again in another order.
type deck struct {
	all, left []fault
	rng       *rand.Rand
}

func newDeck(t *testing.T, level nex.SandboxLevel, rng *rand.Rand) *deck {
	t.Helper()
	d := &deck{rng: rng}
	for _, f := range faults {
		if (f.level == "" || f.level == level) && (*onlyFlag == "" || slices.Contains(strings.Split(*onlyFlag, ","), f.name)) {
			d.all = append(d.all, f)
		}
	}
	if len(d.all) == 0 {
		t.Fatalf("no fault is named %q", *onlyFlag)
	}
	return d
}

func (d *deck) next() fault {
	if len(d.left) == 0 {
		d.left = slices.Clone(d.all)
		d.rng.Shuffle(len(d.left), func(i, j int) { d.left[i], d.left[j] = d.left[j], d.left[i] })
	}
	f := d.left[0]
	d.left = d.left[1:]
	return f
}
