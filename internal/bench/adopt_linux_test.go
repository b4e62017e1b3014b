package bench_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/nextest"
)

// BenchmarkAdopt kills a node that runs a hundred services, and a function that is called all the time, and
// starts the next one at once. From the start of that process it counts
//
//   - adopted: until it has told of all workloads that they run;
//   - ready: until it takes requests;
//   - answers: until the function answers all calls again,
//
// and from the kill, which is before that by the time that the kernel needs to end the process, for how long
// calls have failed. It fails if a service was restarted or is lost.
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
	if len(programs) != services {
		b.Fatalf("%d services answer, want %d", len(programs), services)
	}
	calls := r.callSteadily(function.Triggers[0])
	var times adoption
	for range rounds {
		calls.awaitAnswer()
		r.adopt(services+1, calls, &times)
	}
	told(b)
	times.report(b)

	restarted := r.restarts()
	lost, others := compareSets(programs, r.programs(services))
	b.ReportMetric(float64(restarted), "restarted")
	b.ReportMetric(float64(lost), "lost")
	if restarted != 0 || lost != 0 || others != 0 {
		b.Errorf("%d services were restarted, the programs of %d are lost, and %d others are there: want none", restarted, lost, others)
	}
}

// adoption is what the rounds have measured.
type adoption struct {
	adopted, ready, answers, failed []time.Duration
}

// adopt is one round.
func (r *rig) adopt(workloads int, calls *steadyCalls, times *adoption) {
	r.b.Helper()
	states := r.watchStates()
	defer states.stop()
	killed := time.Now()
	r.up.Kill()
	began := time.Now()
	r.startUp()
	times.ready = append(times.ready, time.Since(began))
	nextest.Await(r.b, "the node says of all workloads that they run", func() bool { return states.running() == workloads })
	times.adopted = append(times.adopted, states.last().Sub(began))
	calls.awaitAnswer()
	answers := calls.answersSince(killed)
	times.answers = append(times.answers, answers.Sub(began))
	times.failed = append(times.failed, answers.Sub(killed))
}

func (a *adoption) report(b *testing.B) {
	for _, m := range []struct {
		name  string
		times []time.Duration
	}{{"adopted", a.adopted}, {"ready", a.ready}, {"answers", a.answers}, {"calls-failed", a.failed}} {
		median(b, m.name, m.times)
		b.ReportMetric(millis(slices.Max(m.times)), m.name+"-max-ms")
	}
}

// restarts is how often the node has restarted workloads.
func (r *rig) restarts() int {
	r.b.Helper()
	info, err := r.client.Info(r.b.Context(), r.node.NodeID)
	if err != nil {
		r.b.Fatal(err)
	}
	n := 0
	for _, m := range info.Machines {
		n += m.Restarts
	}
	return n
}

// programs are the running programs of services, each by an id that it has given itself. It waits for so many,
// but not for ever.
func (r *rig) programs(n int) map[string]bool {
	r.b.Helper()
	const patience = time.Second // for one that answers late
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
			m, err := sub.NextMsg(patience)
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

// compareSets counts what is missing now of what was before, and what is new.
func compareSets(before, now map[string]bool) (missing, added int) {
	for id := range before {
		if !now[id] {
			missing++
		}
	}
	return missing, len(now) - (len(before) - missing)
}
