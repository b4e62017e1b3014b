package workload_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/workload"
)

// world is a Publisher that remembers everything.
type world struct {
	mu      sync.Mutex
	events  []event
	logs    []line
	changed chan struct{} // closed with the next event or line
	away    atomic.Bool   // nothing that is told is known to have been heard
}

type event struct {
	namespace string
	eventType nex.EventType
	data      any
}

type line struct {
	namespace, workload string
	nex.LogRecord
}

func newWorld() *world { return &world{changed: make(chan struct{})} }

func (w *world) Event(namespace string, t nex.EventType, data any) {
	w.note(func() { w.events = append(w.events, event{namespace, t, data}) })
}

func (w *world) Log(namespace, workload string, r nex.LogRecord) {
	w.note(func() { w.logs = append(w.logs, line{namespace, workload, r}) })
}

func (w *world) Flushed(f func()) {
	if !w.away.Load() {
		go f()
	}
}

func (w *world) note(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
	close(w.changed)
	w.changed = make(chan struct{})
}

// await waits until done is true, which is asked after every event and line.
func (w *world) await(t testing.TB, what string, done func() bool) {
	t.Helper()
	timeout := time.After(nextest.Patience)
	for {
		w.mu.Lock()
		changed := w.changed
		w.mu.Unlock()
		if done() {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("waited in vain until %s; events: %v", what, w.all())
		}
	}
}

func (w *world) all() []event {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.events)
}

func (w *world) lines() []line {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.logs)
}

// changes are the changes of a workload's state.
func (w *world) changes(id string) (list []nex.WorkloadStateChanged) {
	for _, e := range w.all() {
		if c, ok := e.data.(nex.WorkloadStateChanged); ok && c.ID == id {
			list = append(list, c)
		}
	}
	return list
}

// path is what became of a workload: each state with its reason.
func (w *world) path(id string) (list []string) {
	for _, c := range w.changes(id) {
		list = append(list, fmt.Sprintf("%s: %s", c.To, c.Reason))
	}
	return list
}

// state is what a workload was last said to be in.
func (w *world) state(id string) nex.State {
	changes := w.changes(id)
	if len(changes) == 0 {
		return ""
	}
	return changes[len(changes)-1].To
}

// awaitState waits until a workload has been in a state so many times.
func (w *world) awaitState(t testing.TB, id string, s nex.State, times int) {
	t.Helper()
	w.await(t, fmt.Sprintf("workload %s is %s for time %d", id, s, times), func() bool {
		n := 0
		for _, c := range w.changes(id) {
			if c.To == s {
				n++
			}
		}
		return n >= times
	})
}

// checkLives fails the test unless the events of every workload form a life from accepted to one end.
func (w *world) checkLives(t testing.TB) {
	t.Helper()
	at := map[string]nex.State{}
	deployed, undeployed := map[string]int{}, map[string]int{}
	ran := map[string]bool{}
	for _, e := range w.all() {
		switch d := e.data.(type) {
		case nex.WorkloadStateChanged:
			if d.From != at[d.ID] || !slices.Contains(workload.LegalMoves[d.From], d.To) {
				t.Errorf("workload %s moved from %q to %q, and was in %q", d.ID, d.From, d.To, at[d.ID])
			}
			if d.Reason == "" {
				t.Errorf("workload %s moved from %q to %q for no reason", d.ID, d.From, d.To)
			}
			if d.From == "" && d.To != nex.StateStarting { // an earlier process has told that it was deployed
				ran[d.ID] = true
				deployed[d.ID]++
			}
			at[d.ID] = d.To
			ran[d.ID] = ran[d.ID] || d.To == nex.StateRunning
		case nex.WorkloadDeployed:
			deployed[d.ID]++
		case nex.WorkloadUndeployed:
			undeployed[d.ID]++
			if !at[d.ID].Ended() || nex.State(d.Reason) != at[d.ID] {
				t.Errorf("workload %s was undeployed as %s in state %s", d.ID, d.Reason, at[d.ID])
			}
		}
	}
	for id, s := range at {
		want := 0
		if ran[id] {
			want = 1
		}
		if !s.Ended() || deployed[id] != want || undeployed[id] != want {
			t.Errorf("workload %s ended as %s, deployed %d times, undeployed %d times; want a final state, and %d", id, s, deployed[id], undeployed[id], want)
		}
	}
}
