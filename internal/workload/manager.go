package workload

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/artifact"
	"github.com/nex-engine/nex/internal/pool"
	"github.com/nex-engine/nex/internal/sandbox"
)

// Artifacts is where workloads' bytes come from; artifact.Cache is one.
type Artifacts interface {
	// Check looks an artifact up, without fetching it, and returns its size.
	Check(ctx context.Context, ref artifact.Ref) (int64, error)
	// Fetch brings it to this machine. The caller releases the file.
	Fetch(ctx context.Context, ref artifact.Ref) (*artifact.File, error)
}

// Agents is where agents come from; pool.Pool is one.
type Agents interface {
	Lease(ctx context.Context) (*pool.Agent, error)
}

// Publisher tells the world. Its functions do not block and may be called from any goroutine.
type Publisher interface {
	Event(namespace string, t nex.EventType, data any)
	Log(namespace, workload string, r nex.LogRecord)
}

// Limits of a node; 0 means none.
type Limits struct {
	Workloads     int
	TotalBytes    int64 // of the artifacts of all that run
	WorkloadBytes int64 // of one artifact
}

// Restart says how essential workloads are started again.
type Restart struct {
	// First and Most bound the wait before a start; it doubles each time. 0 means 100 ms and 30 s.
	First, Most time.Duration
	// Healthy is how long a program must run for the wait and the count to begin anew; 0 means 1 min.
	Healthy time.Duration
	// MaxStarts is the number of starts in a row after which the workload has failed; 0 means no end.
	MaxStarts int
}

// Config is what a Manager works with. All but Limits and Restart is required.
type Config struct {
	Artifacts    Artifacts
	Agents       Agents
	Publisher    Publisher
	Capabilities sandbox.Capabilities
	Limits       Limits
	Restart      Restart
	Logger       *slog.Logger
}

// DefaultGrace is the time between SIGTERM and SIGKILL when a stop request names none.
const DefaultGrace = 10 * time.Second

// replyWithin is how long Deploy waits for a workload to run before it answers that it is starting.
const replyWithin = 2 * time.Second

// maxEnded bounds how many workloads that ended by themselves are remembered.
const maxEnded = 100

// Manager runs the workloads of a node. It is safe for concurrent use.
type Manager struct {
	cfg   Config
	group sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	workloads map[string]*Workload // by id, those that ended included
	ended     []string             // ids, in the order in which they ended
}

// NewManager makes a Manager; it does nothing until Deploy.
func NewManager(cfg Config) (*Manager, error) {
	if cfg.Artifacts == nil || cfg.Agents == nil || cfg.Publisher == nil || cfg.Logger == nil {
		return nil, errors.New("workload manager: artifacts, agents, publisher and logger are required")
	}
	cfg.Restart = cfg.Restart.withDefaults()
	return &Manager{cfg: cfg, workloads: make(map[string]*Workload)}, nil
}

// Full returns an [nex.Error] with code [nex.CodeNodeFull] when no workload more can be taken.
func (m *Manager) Full() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fullLocked()
}

func (m *Manager) fullLocked() error {
	if m.cfg.Limits.Workloads > 0 && m.activeLocked() >= m.cfg.Limits.Workloads {
		return nex.ErrNodeFull
	}
	return nil
}

// Deploy starts a workload. It returns once the workload runs, or after two seconds with state
// starting; its end is told by events then. When the start fails before that, the error says why
// and nothing of the workload is left.
func (m *Manager) Deploy(ctx context.Context, spec Spec) (nex.State, error) {
	w, err := m.add(spec)
	if err != nil {
		return "", err
	}
	timer := time.NewTimer(replyWithin)
	defer timer.Stop()
	select {
	case <-w.settled:
	case <-timer.C:
	case <-ctx.Done():
	}
	status, failure := w.firstOutcome()
	if failure != nil {
		m.forget(spec.ID)
		return "", failure
	}
	return status, nil
}

func (m *Manager) add(spec Spec) (*Workload, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, nex.Errorf(nex.CodeLameDuck, "the node is stopping: choose another node")
	}
	if err := m.fullLocked(); err != nil {
		return nil, err
	}
	// A workload that ended is of no interest once its successor is here.
	for id, old := range m.workloads {
		s := old.Status()
		if s.State.Ended() && s.Spec.Name == spec.Name && s.Spec.Namespace == spec.Namespace && s.Spec.Issuer == spec.Issuer {
			m.forgetLocked(id)
		}
	}
	w := newWorkload(m, spec)
	m.workloads[spec.ID] = w
	m.group.Go(w.run)
	return w, nil
}

// Stop stops a workload and returns when nothing of it runs any more. A workload that is not there,
// or is of another namespace, name or issuer, gets [nex.ErrWorkloadNotFound]. A workload that ended
// by itself is forgotten.
func (m *Manager) Stop(ctx context.Context, namespace, id, name, issuer string, grace time.Duration) error {
	m.mu.Lock()
	w := m.workloads[id]
	m.mu.Unlock()
	if w == nil || w.spec.Namespace != namespace || w.spec.Name != name || w.spec.Issuer != issuer {
		return nex.ErrWorkloadNotFound
	}
	first := w.stop(grace)
	select {
	case <-w.done:
	case <-ctx.Done():
		return nex.Errorf(nex.CodeTimeout, "workload %s is still stopping: %v", id, context.Cause(ctx))
	}
	m.forget(id)
	if !first {
		return nex.ErrWorkloadNotFound // somebody else stopped it
	}
	return nil
}

// List returns the workloads of a namespace that run or that ended by themselves, oldest first; of
// all namespaces when it is empty.
func (m *Manager) List(namespace string) []Status {
	m.mu.Lock()
	all := make([]*Workload, 0, len(m.workloads))
	for _, w := range m.workloads {
		if namespace == "" || w.spec.Namespace == namespace {
			all = append(all, w)
		}
	}
	m.mu.Unlock()
	list := make([]Status, len(all))
	for i, w := range all {
		list[i] = w.Status()
	}
	slices.SortFunc(list, func(a, b Status) int {
		if c := a.Accepted.Compare(b.Accepted); c != 0 {
			return c
		}
		return slices.Compare([]byte(a.Spec.ID), []byte(b.Spec.ID))
	})
	return list
}

// Active is the number of workloads that have not ended.
func (m *Manager) Active() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.activeLocked()
}

func (m *Manager) activeLocked() int { return len(m.workloads) - len(m.ended) }

// Logs returns the last lines, at most n, that are kept of a namespace's workloads, oldest first;
// of one workload when an id or name is given.
func (m *Manager) Logs(namespace, idOrName string, n int) []nex.LogLine {
	var lines []nex.LogLine
	m.mu.Lock()
	for _, w := range m.workloads {
		if w.spec.Namespace == namespace && (idOrName == "" || idOrName == w.spec.ID || idOrName == w.spec.Name) {
			lines = append(lines, w.journal.last(w.spec.Name, n)...)
		}
	}
	m.mu.Unlock()
	slices.SortStableFunc(lines, func(a, b nex.LogLine) int { return a.Time.Compare(b.Time) })
	return lines[max(0, len(lines)-n):]
}

// Close stops every workload and returns when nothing of them runs any more. Deploy fails from then
// on.
func (m *Manager) Close() {
	m.mu.Lock()
	m.closed = true
	for _, w := range m.workloads {
		w.stop(DefaultGrace)
	}
	m.mu.Unlock()
	m.group.Wait()
}

// reserve notes the size of a workload's artifact, unless it is over the limits.
func (m *Manager) reserve(w *Workload, size int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var total int64
	for _, other := range m.workloads {
		if other != w {
			total += other.bytes
		}
	}
	l := m.cfg.Limits
	if (l.WorkloadBytes > 0 && size > l.WorkloadBytes) || (l.TotalBytes > 0 && total+size > l.TotalBytes) {
		return nex.ErrArtifactTooLarge
	}
	w.bytes = size
	return nil
}

// noteEnded is called by a workload when it has ended.
func (m *Manager) noteEnded(w *Workload) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w.bytes = 0
	m.ended = append(m.ended, w.spec.ID)
	if len(m.ended) > maxEnded {
		m.forgetLocked(m.ended[0])
	}
}

func (m *Manager) forget(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forgetLocked(id)
}

// forgetLocked drops a workload that has ended.
func (m *Manager) forgetLocked(id string) {
	if i := slices.Index(m.ended, id); i >= 0 {
		m.ended = slices.Delete(m.ended, i, i+1)
		delete(m.workloads, id)
	}
}
