package trigger_test

import (
	"testing"
	"testing/synctest"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/trigger"
)

func TestEvents(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.attached(t, agentFunc(func(c agentlink.Trigger, done func(agentlink.Answer)) {
		if string(c.Payload) == "bad" {
			done(agentlink.Answer{Status: 500, Message: "TypeError: no"})
			return
		}
		done(agentlink.Answer{})
	}), func(c *trigger.Config) { c.Subjects = []string{"js.*"} })
	r.request(t, "js.a", "good")
	r.request(t, "js.b", "bad")
	nextest.Await(t, "both calls are told", func() bool { return len(r.events.all()) == 2 })
	for i, want := range []event{
		{"default", nex.EventFunctionSucceeded, nex.FunctionExecuted{WorkloadName: "echo", TriggerSubject: "js.a", Namespace: "default", ID: "W1"}},
		{"default", nex.EventFunctionFailed, nex.FunctionExecuted{WorkloadName: "echo", TriggerSubject: "js.b", Namespace: "default", ID: "W1", Error: "TypeError: no"}},
	} {
		got := r.events.all()[i]
		if got.ElapsedNanos <= 0 {
			t.Errorf("event %d took %d ns", i, got.ElapsedNanos)
		}
		got.ElapsedNanos = 0
		if got != want {
			t.Errorf("event %d = %+v, want %+v", i, got, want)
		}
	}
}

// However many calls there are, there are few events, and no call is missing from them.
func TestEventsOfManyCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := &events{}
		s := trigger.NewSampler(told.Event)
		const calls, seconds = 1000, 5
		for range seconds {
			for range calls {
				s.Add(agentlink.Answer{})
			}
			s.Add(agentlink.Answer{Status: 500, Message: "no"})
			time.Sleep(1001 * time.Millisecond)
		}
		s.Add(agentlink.Answer{})
		s.Close()
		var succeeded, failed, list uint64
		for _, e := range told.all() {
			list++
			switch {
			case e.eventType == nex.EventFunctionFailed:
				failed += max(1, e.Count)
			default:
				succeeded += max(1, e.Count)
			}
			if e.Count > 0 && (e.WindowMillis <= 0 || e.WindowMillis > 1001) {
				t.Errorf("an event stands for %d calls in %d ms", e.Count, e.WindowMillis)
			}
		}
		if succeeded != calls*seconds+1 || failed != seconds {
			t.Errorf("the events tell of %d and %d calls, want %d and %d", succeeded, failed, calls*seconds+1, seconds)
		}
		if list > seconds*15 {
			t.Errorf("%d events for %d calls", list, calls*seconds)
		}
	})
}
