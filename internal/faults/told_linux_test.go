package faults_test

import (
	"sync"
	"testing"

	"github.com/nats-io/nats.go"

	nex "github.com/nex-engine/nex"
)

// told is what nodes have told of ends in their events, which outlasts what they know of workloads that are gone.
type told struct {
	mu   sync.Mutex
	ends map[string]string // reasons by id
}

// listen begins to listen, until the test ends.
func listen(t *testing.T, nc *nats.Conn) *told {
	t.Helper()
	l := &told{ends: map[string]string{}}
	_, err := nc.Subscribe("$NEX.events.>", func(m *nats.Msg) {
		e, err := nex.DecodeEvent(m.Data)
		if err != nil {
			return
		}
		if c, err := e.StateChange(); err == nil && c.To.Ended() && c.Reason != "" {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.ends[c.ID] = c.Reason
		}
	})
	must(t, err, nc.Flush())
	return l
}

// ended reports whether the end of a workload was told, with a reason.
func (l *told) ended(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ends[id] != ""
}
