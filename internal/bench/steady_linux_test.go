package bench_test

import (
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/nex-engine/nex/internal/nextest"
)

// steadyCalls are calls of a function in even distances, whether earlier ones were answered or not.
type steadyCalls struct {
	b  *testing.B
	nc *nats.Conn

	mu    sync.Mutex
	calls []steadyCall // that are over
}

// steadyCall is a call, and when it was over.
type steadyCall struct {
	sent, over time.Time
	answered   bool
}

const (
	// steadyEvery is the distance of calls, and how exactly the end of an outage is known.
	steadyEvery = 10 * time.Millisecond
	// steadyPatience is when a call is lost that nobody has refused.
	steadyPatience = time.Second
)

// callSteadily calls until the benchmark ends.
func (r *rig) callSteadily(subject string) *steadyCalls {
	r.b.Helper()
	s := &steadyCalls{b: r.b, nc: r.caller()}
	end := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		ticker := time.NewTicker(steadyEvery)
		defer ticker.Stop()
		for {
			select {
			case <-end:
				return
			case <-ticker.C:
				group.Go(func() { s.call(subject) })
			}
		}
	})
	r.b.Cleanup(func() {
		close(end)
		group.Wait()
	})
	return s
}

func (s *steadyCalls) call(subject string) {
	sent := time.Now()
	m, err := s.nc.Request(subject, []byte("sixteen bytes ok"), steadyPatience)
	answered := err == nil && m.Header.Get(micro.ErrorCodeHeader) == ""
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, steadyCall{sent, time.Now(), answered})
}

// awaitAnswer waits until a call is answered that is made from now on, and all that were made before are over.
func (s *steadyCalls) awaitAnswer() {
	s.b.Helper()
	began := time.Now()
	nextest.Await(s.b, "the function answers", func() bool { return !s.firstAnswer(began).IsZero() })
	time.Sleep(time.Until(began.Add(steadyPatience)))
}

// firstAnswer is when the first call was answered of those that were made after a time; zero if none was.
func (s *steadyCalls) firstAnswer(after time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	var first time.Time
	for _, c := range s.calls {
		if c.answered && c.sent.After(after) && (first.IsZero() || c.over.Before(first)) {
			first = c.over
		}
	}
	return first
}

// answersSince is when the function answered again after an outage: the first call that was made after the last
// one that failed.
func (s *steadyCalls) answersSince(outage time.Time) time.Time {
	s.mu.Lock()
	last := outage
	for _, c := range s.calls {
		if !c.answered && c.sent.After(last) {
			last = c.sent
		}
	}
	s.mu.Unlock()
	return s.firstAnswer(last)
}
