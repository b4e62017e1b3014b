package linkhost

import (
	"sync"
	"time"

	"github.com/nex-engine/nex/internal/agentlink"
)

// ackEvery is the shortest time between two acknowledgements of log records: one is for all that have come
// meanwhile. It is far less than it takes to fill what an agent keeps.
const ackEvery = 50 * time.Millisecond

// acks are the acknowledgements of an agent's log records. What they take does not depend on what the agent
// sends. It is safe for concurrent use.
type acks struct {
	mu     sync.Mutex
	given  uint64      // highest Seq that Events.Logs was given
	told   uint64      // highest Seq that the agent was told of
	timer  *time.Timer // set from the first record that is not asked about until it is acknowledged
	closed bool
}

// gaveLogs notes that Events.Logs was given records up to seq.
func (l *Link) gaveLogs(seq uint64) {
	a := &l.acks
	a.mu.Lock()
	defer a.mu.Unlock()
	a.given = max(a.given, seq)
	l.askLaterLocked()
}

// askLaterLocked asks about the records that are not acknowledged, a little later, unless that goes on already.
func (l *Link) askLaterLocked() {
	if a := &l.acks; a.timer == nil && a.given > a.told && !a.closed {
		a.timer = time.AfterFunc(ackEvery, l.askHeard) // ends with close
	}
}

// askHeard asks whether what Events.Logs was given can be lost.
func (l *Link) askHeard() {
	e := l.events.Load()
	if e == nil {
		return // the link is being closed
	}
	l.acks.mu.Lock()
	upTo := l.acks.given
	l.acks.mu.Unlock()
	if e.Heard == nil {
		l.ack(upTo)
	} else {
		e.Heard(func() { l.ack(upTo) })
	}
}

// ack tells the agent that it need not keep the records up to seq.
func (l *Link) ack(seq uint64) {
	// One that cannot be sent is for an agent that sends them again, or is no more.
	_ = l.nc.Publish(agentlink.LogsHeardSubject(l.id), agentlink.Encode(agentlink.LogsHeard{Seq: seq}))
	a := &l.acks
	a.mu.Lock()
	defer a.mu.Unlock()
	a.told, a.timer = max(a.told, seq), nil
	l.askLaterLocked()
}

// close lets nothing more be asked.
func (a *acks) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	if a.timer != nil {
		a.timer.Stop()
	}
}
