package workload

import (
	"time"

	nex "github.com/nex-engine/nex"
)

// LegalMoves is the table of changes of state.
var LegalMoves = moves

// Streak counts the starts of a program that does not keep running.
type Streak struct{ s streak }

// NewStreak begins to count.
func NewStreak(r Restart) *Streak { return &Streak{streak{policy: r.withDefaults()}} }

// Next says how long to wait after a run.
func (s *Streak) Next(ran time.Duration) (time.Duration, bool) { return s.s.next(ran) }

// Journal keeps log lines.
type Journal struct{ j journal }

// Add adds one.
func (j *Journal) Add(r nex.LogRecord) { j.j.add(r) }

// Last returns the last ones.
func (j *Journal) Last(n int) []nex.LogLine { return j.j.last("name", n) }

// Size is what the journal holds in memory: lines and bytes of their texts.
func (j *Journal) Size() (lines, bytes int) {
	all := j.j.lines[:cap(j.j.lines)]
	for _, r := range all {
		bytes += len(r.Text)
	}
	return len(j.j.lines), bytes
}

// Reserved is how many bytes of artifacts count towards the limit.
func (m *Manager) Reserved() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	var total int64
	for _, w := range m.workloads {
		total += w.bytes
	}
	return total
}

// Stopping reports whether a workload was asked to stop.
func (m *Manager) Stopping(id string) bool {
	m.mu.Lock()
	w := m.workloads[id]
	m.mu.Unlock()
	return w == nil || w.ctx.Err() != nil
}
