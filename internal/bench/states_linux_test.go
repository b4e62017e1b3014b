package bench_test

import (
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	nex "github.com/nex-engine/nex"
)

// states are what a node tells of its workloads.
type states struct {
	stop func()

	mu   sync.Mutex
	runs map[string]bool // by id
	at   time.Time       // when the last one was said to run
}

// watchStates listens to a node from now on. The caller stops it.
func (r *rig) watchStates() *states {
	r.b.Helper()
	s := &states{runs: map[string]bool{}}
	sub, err := r.nc.Subscribe(nex.EventSubject("*", nex.EventWorkloadState), s.hear)
	if err == nil {
		err = r.nc.Flush()
	}
	if err != nil {
		r.b.Fatal(err)
	}
	s.stop = func() { _ = sub.Unsubscribe() } // it fails when the connection is closed
	return s
}

func (s *states) hear(m *nats.Msg) {
	e, err := nex.DecodeEvent(m.Data)
	if err != nil {
		return
	}
	c, err := e.StateChange()
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.To != nex.StateRunning {
		delete(s.runs, c.ID)
		return
	}
	s.runs[c.ID], s.at = true, time.Now()
}

// running is how many workloads run.
func (s *states) running() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.runs)
}

// last is when the last one was said to run.
func (s *states) last() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}
