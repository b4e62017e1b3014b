package node_test

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/nextest"
)

// TestAgentThatDies shows that those who wait for the answers of an agent that was killed have one at
// once, and that the function is started again.
func TestAgentThatDies(t *testing.T) {
	t.Parallel()
	r := start(t, patient, func(s *setup) { s.Functions.MaxConcurrency = 2 })
	d := r.js("gated", "gated", gated)
	id := r.deploy(d)
	g := r.gate()
	const calls = 5 // of which two run and three wait
	for round := range 2 {
		answers := r.sendCalls("gated", calls)
		g.await()
		g.await()
		r.kill(r.busyAgent().pid)
		for range calls {
			r.failed(r.next(answers), 500, "the call was not answered: the agent")
		}
		m := r.await(id, "the function runs again", func(m nex.MachineInfo) bool {
			return m.State == nex.StateRunning && m.Restarts > round
		})
		if c := m.Calls; c == nil || c.InFlight != 0 || c.Total != uint64((round+1)*(calls+1)-1) {
			t.Errorf("calls = %+v", c)
		}
		again := r.sendCalls("gated", 1)
		g.await()()
		if m := r.next(again); string(m.Data) != "hey" {
			t.Errorf("answer of the function that was started again = %q with %v", m.Data, m.Header)
		}
	}
	r.undeploy(d, id)
	r.unharmed()
}

// TestFunctionsLeaveNothing runs by itself, so that what it counts is its own.
func TestFunctionsLeaveNothing(t *testing.T) {
	r := start(t)
	functions := []struct{ name, want string }{{"js", "hey"}, {"wasm", ""}}
	js, wasm := r.js("js", "js", echoSource), r.function(nex.TypeWasm, "wasm", "wasm", wasmQuiet)
	round := func() {
		t.Helper()
		a, b := r.deploy(js), r.deploy(wasm)
		for _, f := range functions {
			r.gives(f.name, "hey", f.want)
		}
		r.undeploy(js, a)
		r.undeploy(wasm, b)
	}
	for range 3 { // until every buffer and cache there is has been made
		round()
	}
	r.clean()
	goroutines, open, kept, subscriptions := runtime.NumGoroutine(), openFiles(t), r.files(), r.server.NumSubscriptions()
	for range 50 {
		round()
	}
	r.clean()
	nextest.Await(t, fmt.Sprintf("%d subscriptions again", subscriptions), func() bool { return r.server.NumSubscriptions() == subscriptions })
	// An agent that has only just been replaced may still have its goroutine.
	const spare = 5
	nextest.Await(t, fmt.Sprintf("%d goroutines again", goroutines), func() bool { return runtime.NumGoroutine() <= goroutines+spare })
	nextest.Await(t, fmt.Sprintf("%d open files again", open), func() bool { return openFiles(t) <= open+spare })
	var now []string
	if !nextest.Poll(func() bool { now = r.files(); return len(now) == len(kept) }) {
		t.Errorf("files of the node are %q, before they were %q", now, kept)
	}
	r.unharmed()
}

// files are those in the node's directory; the names of what belongs to an agent differ each time.
func (r *rig) files() []string {
	r.Helper()
	var list []string
	err := filepath.WalkDir(r.dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil {
			list = append(list, path)
		}
		return nil // what is gone meanwhile does not count
	})
	if err != nil {
		r.Fatal(err)
	}
	return slices.Clip(list)
}
