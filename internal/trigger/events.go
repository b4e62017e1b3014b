package trigger

import (
	"sync"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
)

// How many events of each kind are told one by one in a window. Further calls are counted, and told
// in one event at its end: telling of calls never costs more than they do.
const (
	window      = time.Second
	oneByOne    = 10
	maxErrorLen = 512
)

// sampler turns calls into events. It is safe for concurrent use.
type sampler struct {
	publish func(nex.EventType, nex.FunctionExecuted)

	mu     sync.Mutex
	closed bool
	kinds  map[nex.EventType]*kind
}

// kind is what has happened in the current window.
type kind struct {
	began  time.Time
	told   int
	summed nex.FunctionExecuted // the last that was not told, with their Count
	timer  *time.Timer          // ends the window; nil while nothing is summed up
}

func newSampler(publish func(nex.EventType, nex.FunctionExecuted)) *sampler {
	return &sampler{publish: publish, kinds: map[nex.EventType]*kind{
		nex.EventFunctionSucceeded: {}, nex.EventFunctionFailed: {},
	}}
}

// add tells of a call, now or later.
func (s *sampler) add(subject string, took time.Duration, a agentlink.Answer) {
	t, e := nex.EventFunctionSucceeded, nex.FunctionExecuted{TriggerSubject: subject, ElapsedNanos: int64(took)}
	if a.Status != 0 {
		t, e.Error = nex.EventFunctionFailed, a.Message[:min(len(a.Message), maxErrorLen)]
	}
	if s.takes(t, e) {
		s.publish(t, e)
	}
}

// takes reports whether the event is to be told by itself; otherwise it has been counted.
func (s *sampler) takes(t nex.EventType, e nex.FunctionExecuted) bool {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.kinds[t]
	if now.Sub(k.began) >= window && k.timer == nil {
		k.began, k.told = now, 0
	}
	if s.closed || k.told < oneByOne && k.timer == nil {
		k.told++
		return true
	}
	e.Count = k.summed.Count + 1
	k.summed = e
	if k.timer == nil {
		k.timer = time.AfterFunc(max(0, window-now.Sub(k.began)), func() { s.end(t) })
	}
	return false
}

// end tells what was summed up and ends the window.
func (s *sampler) end(t nex.EventType) {
	s.mu.Lock()
	k := s.kinds[t]
	e := k.summed
	e.WindowMillis = time.Since(k.began).Milliseconds()
	k.summed, k.timer, k.began = nex.FunctionExecuted{}, nil, time.Time{}
	s.mu.Unlock()
	if e.Count > 0 {
		s.publish(t, e)
	}
}

// close tells what was summed up; later events are told one by one.
func (s *sampler) close() {
	s.mu.Lock()
	s.closed = true
	var ending []nex.EventType
	for t, k := range s.kinds {
		if k.timer != nil && k.timer.Stop() {
			ending = append(ending, t)
		}
	}
	s.mu.Unlock()
	for _, t := range ending {
		s.end(t)
	}
}
