package agent

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nex-engine/nex/internal/agentlink"
)

// How often the memory of a function is looked at while it runs: so often that little more than its
// bound is used when it is noticed, at a gigabyte a second.
const (
	lookEvery   = 20 * time.Millisecond
	reportEvery = time.Second
)

// memoryWatch looks at the memory of this process while calls run, because a runtime's own bound can
// be escaped. Nothing looks while nothing runs.
type memoryWatch struct {
	most   int64 // bytes; 0 is no bound
	report func(agentlink.Usage) error

	ctx    context.Context // ends when there is too much, and with close
	cancel context.CancelFunc
	active atomic.Int64
	wake   chan struct{}
	group  sync.WaitGroup
	stop   chan struct{}

	// What follows belongs to run.
	reported time.Time
	use      memoryUse
}

// newMemoryWatch starts a watch; the caller closes it.
func newMemoryWatch(most int64, report func(agentlink.Usage) error) *memoryWatch {
	m := &memoryWatch{most: most, report: report, wake: make(chan struct{}, 1), stop: make(chan struct{})}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	if most > 0 {
		limitMemory(most)
	}
	m.group.Go(m.run)
	return m
}

// enter says that something runs, leave that it has ended.
func (m *memoryWatch) enter() {
	if m.active.Add(1) == 1 {
		select {
		case m.wake <- struct{}{}:
		default: // it looks already
		}
	}
}

func (m *memoryWatch) leave() { m.active.Add(-1) }

// close ends the watch. It may be called when ctx has ended.
func (m *memoryWatch) close() {
	close(m.stop)
	m.group.Wait()
	m.cancel()
}

func (m *memoryWatch) run() {
	for {
		select {
		case <-m.wake:
		case <-m.stop:
			return
		}
		if !m.look() {
			m.cancel()
			return
		}
	}
}

// look looks at the memory until nothing runs. It reports whether all is well.
func (m *memoryWatch) look() bool {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-m.stop:
			return true
		}
		private := m.use.private(m.most)
		if m.most > 0 && private > m.most {
			return false
		}
		idle := m.active.Load() == 0
		if time.Since(m.reported) >= reportEvery {
			m.reported = time.Now()
			_ = m.report(agentlink.Usage{MemoryBytes: private}) // the link's end is noticed elsewhere
		}
		if idle {
			return true
		}
	}
}
