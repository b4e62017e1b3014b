package bench_test

import (
	"encoding/json"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/nextest"
)

// BenchmarkAdopt kills a node that runs services, and a function that is called all the time, starts the
// next one at once, and counts from the start of that process:
//
//   - adopted, until it has told of all workloads that they run;
//   - ready, until it takes requests;
//   - calls, until calls of the function are answered that were made after the kill, which comes before.
//
// Calls of the function fail for so long after the kill as calls-failed says. What was restarted or lost
// fails the benchmark.
func BenchmarkAdopt(b *testing.B) {
	b.Run("process", func(b *testing.B) { benchmarkAdopt(startNode(b)) })
	b.Run("gvisor", func(b *testing.B) { benchmarkAdopt(startSandboxedNode(b)) })
}

func benchmarkAdopt(r *rig) {
	const services, atOnce, rounds = 100, 8, 5
	b, service, function := r.b, r.program(), r.javascript()
	service.Restart = nex.RestartAlways
	r.deploy(function)
	deployMany(r, service, services, atOnce)
	programs := r.programs(services)
	b.Logf("%d services", len(programs))
	calls := r.callSteadily(function.Triggers[0])
	var times adoption
	for range rounds {
		calls.awaitAnswer()
		r.adopt(services+1, calls, &times)
		lost, added := difference(programs, r.programs(services))
		times.lost, times.restarted = times.lost+lost, times.restarted+added
	}
	told(b)
	times.report(b)
}

// adoption is what the rounds have measured.
type adoption struct {
	adopted, ready, calls, failed []time.Duration
	restarted, lost               int
}

// adopt is one round.
func (r *rig) adopt(workloads int, calls *steadyCalls, times *adoption) {
	b := r.b
	b.Helper()
	told := r.watchStates()
	defer told.stop()
	killed := time.Now()
	r.up.Kill()
	began := time.Now()
	r.startUp()
	times.ready = append(times.ready, time.Since(began))
	nextest.Poll(func() bool { return told.running() >= workloads })
	times.restarted += told.others()
	times.lost += workloads - told.running()
	times.adopted = append(times.adopted, told.last().Sub(began))
	info, err := r.client.Info(b.Context(), r.node.NodeID)
	if err != nil {
		b.Fatal(err)
	}
	for _, m := range info.Machines {
		times.restarted += m.Restarts
	}
	calls.awaitAnswer()
	answered := calls.answeredAfter(killed)
	times.calls = append(times.calls, answered.Sub(began))
	times.failed = append(times.failed, answered.Sub(killed))
}

func (a *adoption) report(b *testing.B) {
	b.Logf("adopted %v, ready %v, calls %v, calls failed %v", a.adopted, a.ready, a.calls, a.failed)
	median(b, "adopted", a.adopted)
	b.ReportMetric(millis(slices.Max(a.adopted)), "adopted-max-ms")
	median(b, "ready", a.ready)
	median(b, "calls", a.calls)
	median(b, "calls-failed", a.failed)
	b.ReportMetric(millis(slices.Max(a.failed)), "calls-failed-max-ms")
	b.ReportMetric(float64(a.restarted), "restarted")
	b.ReportMetric(float64(a.lost), "lost")
	if a.restarted != 0 || a.lost != 0 {
		b.Errorf("%d restarts, %d lost: want none", a.restarted, a.lost)
	}
}

// programs are the running programs of services, each of which has an id that it has made itself. It waits
// for so many.
func (r *rig) programs(n int) map[string]bool {
	r.b.Helper()
	nc := r.caller()
	defer nc.Close()
	ids := map[string]bool{}
	nextest.Poll(func() bool {
		sub, err := nc.SubscribeSync(nats.NewInbox())
		if err == nil {
			err = nc.PublishRequest("$SRV.PING.EchoService", sub.Subject, nil)
		}
		if err != nil {
			r.b.Fatal(err)
		}
		for {
			m, err := sub.NextMsg(time.Second)
			if err != nil {
				return len(ids) >= n
			}
			var p micro.Ping
			if json.Unmarshal(m.Data, &p) == nil && p.ID != "" {
				ids[p.ID] = true
			}
		}
	})
	return ids
}

// difference counts what is missing now of what was before, and what is new.
func difference(before, now map[string]bool) (missing, added int) {
	for id := range before {
		if !now[id] {
			missing++
		}
	}
	return missing, len(now) - (len(before) - missing)
}

// states are what a node tells of its workloads.
type states struct {
	end func()

	mu      sync.Mutex
	runs    map[string]bool
	changed time.Time // when the last one was said to run
	other   int       // changes to other states
}

// watchStates listens to a node from now on. The caller stops it.
func (r *rig) watchStates() *states {
	r.b.Helper()
	s := &states{runs: map[string]bool{}}
	sub, err := r.nc.Subscribe(nex.EventSubject("*", nex.EventWorkloadState), func(m *nats.Msg) {
		e, err := nex.DecodeEvent(m.Data)
		if err != nil {
			return
		}
		if change, err := e.StateChange(); err == nil {
			s.note(change)
		}
	})
	if err == nil {
		err = r.nc.Flush()
	}
	if err != nil {
		r.b.Fatal(err)
	}
	s.end = func() { _ = sub.Unsubscribe() } // it fails when the connection is closed
	return s
}

func (s *states) stop() { s.end() }

func (s *states) note(c nex.WorkloadStateChanged) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.To != nex.StateRunning {
		s.other++
		return
	}
	s.runs[c.ID], s.changed = true, time.Now()
}

func (s *states) running() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.runs)
}

func (s *states) others() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.other
}

func (s *states) last() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}
