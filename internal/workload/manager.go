package workload

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink/linkhost"
	"github.com/nex-engine/nex/internal/artifact"
	"github.com/nex-engine/nex/internal/pool"
	"github.com/nex-engine/nex/internal/sandbox"
)

// Artifacts is where workloads' bytes come from; artifact.Cache is one.
type Artifacts interface {
	// Check looks an artifact up, without fetching it, and returns its size, or -1 if it cannot tell.
	Check(ctx context.Context, ref artifact.Ref) (int64, error)
	// Fetch brings it to this machine. The caller releases the file.
	Fetch(ctx context.Context, ref artifact.Ref) (*artifact.File, error)
}

// Agents is where agents come from; pool.Pools is one.
type Agents interface {
	// Lease hands out an agent whose sandbox is what is needed; see [pool.Pools.Lease].
	Lease(ctx context.Context, need pool.Need) (*pool.Agent, error)
	// Adopt takes over an agent of an earlier node process; see [pool.Pools.Adopt].
	Adopt(ctx context.Context, id string, network bool, e linkhost.Events) (*pool.Agent, error)
}

// Publisher tells the world. Its functions do not block and may be called from any goroutine.
type Publisher interface {
	Event(namespace string, t nex.EventType, data any)
	Log(namespace, workload string, r nex.LogRecord)
	// Flushed calls f, from another goroutine, once what was told before can no longer be lost with this process.
	Flushed(f func())
}

// Restart says how workloads are started again that are to be.
type Restart struct {
	// First and Most bound the wait before a start; it doubles each time. 0 means 100 ms and 30 s.
	First, Most time.Duration
	// Healthy is how long a program must run for the wait and the count to begin anew; 0 means 1 min.
	Healthy time.Duration
	// MaxStarts is the number of starts in a row after which the workload has failed; 0 means no end.
	MaxStarts int
}

// Config is what a Manager works with.
type Config struct {
	// Artifacts, Agents, Publisher and Logger are required and outlive the Manager.
	Artifacts Artifacts
	Agents    Agents
	Publisher Publisher
	Logger    *slog.Logger
	// Store records the workloads for the next node process; nil means that they end with this one.
	Store Store
	// Functions is required to run functions, Images to run container images.
	Functions Functions
	Images    Images
	// Settings says what the sandbox of a workload is to be like; nil means nothing in particular.
	Settings func(Spec) sandbox.Settings
	// DefaultEnvironment is what programs are told besides, where their own environment does not say it.
	DefaultEnvironment map[string]string
	// Refuse says why a workload of an earlier node process cannot run here as it was asked for; nil if all can.
	Refuse func(Spec) error
	// Capabilities are those of the sandboxes of the Agents.
	Capabilities sandbox.Capabilities
	Limits       Limits
	Restart      Restart
	// ReplyWithin is how long Deploy waits for a workload to run before it answers that it is
	// starting; 0 means 2 s.
	ReplyWithin time.Duration
}

// DefaultGrace is the time between SIGTERM and SIGKILL when a stop request names none.
const DefaultGrace = 10 * time.Second

// maxEnded bounds how many workloads that ended by themselves are remembered.
const maxEnded = 100

// Manager runs the workloads of a node. It is safe for concurrent use.
type Manager struct {
	cfg   Config
	group sync.WaitGroup // one goroutine per workload that has not ended

	// mu guards what follows, and Workload.bytes. No other lock is taken while it is held.
	mu        sync.Mutex
	closed    bool
	draining  bool
	workloads map[string]*Workload // by id, those that ended by themselves included
	ended     []string             // their ids, in the order in which they ended

	restored  []*Workload   // those that wait for Resume; belongs to who calls Restore and Resume
	returning chan struct{} // has one for each agent that was told to come back

	left    chan struct{} // closed by Leave
	hurried chan struct{} // closed by Hurry
}

// NewManager makes a Manager; it does nothing until Deploy.
func NewManager(cfg Config) (*Manager, error) {
	if cfg.Artifacts == nil || cfg.Agents == nil || cfg.Publisher == nil || cfg.Logger == nil {
		return nil, errors.New("workload manager: artifacts, agents, publisher and logger are required")
	}
	cfg.Restart = cfg.Restart.withDefaults()
	if cfg.ReplyWithin == 0 {
		cfg.ReplyWithin = 2 * time.Second
	}
	if cfg.Store == nil {
		cfg.Store = noStore{}
	}
	return &Manager{
		cfg: cfg, workloads: make(map[string]*Workload), returning: make(chan struct{}, returnAtOnce),
		left: make(chan struct{}), hurried: make(chan struct{}),
	}, nil
}

// Deploy starts a workload. It returns once the workload runs, or with state starting when that
// takes longer than ReplyWithin or ctx ends; the workload lives on then, and its end is told by
// events. When the start fails before that, the error says why and nothing of the workload is left.
func (m *Manager) Deploy(ctx context.Context, spec Spec) (nex.State, error) {
	w, err := m.add(spec)
	if err != nil {
		return "", err
	}
	timer := time.NewTimer(m.cfg.ReplyWithin)
	defer timer.Stop()
	select {
	case <-w.settled:
	case <-timer.C:
	case <-ctx.Done():
	}
	settled, failure := w.firstStart()
	switch {
	case !settled:
		return m.promise(w)
	case failure != nil:
		<-w.done
		m.forget(spec.ID)
		return "", failure
	}
	return w.Status().State, nil
}

// promise lets Deploy answer that a workload starts: whatever becomes of it then is not forgotten untold.
func (m *Manager) promise(w *Workload) (nex.State, error) {
	w.mu.Lock()
	w.promised = true
	w.mu.Unlock()
	if err := w.keep(true); err != nil {
		w.stop(0)
		<-w.done
		m.forget(w.spec.ID)
		return "", err
	}
	return nex.StateStarting, nil
}

// add takes a workload and gives it its goroutine.
func (m *Manager) add(spec Spec) (*Workload, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, nex.Errorf(nex.CodeLameDuck, "the node is stopping: choose another node")
	}
	if m.draining {
		return nil, nex.ErrLameDuck
	}
	if m.workloads[spec.ID] != nil {
		return nil, nex.Errorf(nex.CodeInternal, "workload id %s is in use: try again", spec.ID)
	}
	if err := m.fullLocked(); err != nil {
		return nil, err
	}
	m.forgetPredecessorsLocked(spec)
	w := newWorkload(m, spec)
	m.workloads[spec.ID] = w
	m.group.Go(w.run)
	return w, nil
}

// forgetPredecessorsLocked drops workloads that ended: they are of no interest once their successor
// is here.
func (m *Manager) forgetPredecessorsLocked(spec Spec) {
	for _, id := range slices.Clone(m.ended) {
		old := m.workloads[id].spec
		if old.Name == spec.Name && old.Namespace == spec.Namespace && old.Issuer == spec.Issuer {
			m.forgetLocked(id)
		}
	}
}

// Stop stops a workload and returns when nothing of it runs any more. A workload that is not there,
// or is of another namespace, name or issuer, or that somebody else is stopping, gets
// [nex.ErrWorkloadNotFound], the latter when it has ended. A workload that ended by itself is
// forgotten. When ctx ends first the error has code [nex.CodeTimeout], and the workload stops all
// the same.
func (m *Manager) Stop(ctx context.Context, namespace, id, name, issuer string, grace time.Duration) error {
	m.mu.Lock()
	w := m.workloads[id]
	m.mu.Unlock()
	if w == nil || w.spec.Namespace != namespace || w.spec.Name != name || w.spec.Issuer != issuer {
		return nex.ErrWorkloadNotFound
	}
	first := w.stop(grace)
	if first && w.Status().State == nex.StateStopping { // for the node, so far
		w.keepState(nex.StateStopping)
	}
	select {
	case <-w.done:
	case <-ctx.Done():
		return nex.Errorf(nex.CodeTimeout, "workload %s is still stopping: %v", id, context.Cause(ctx))
	}
	if !w.Status().State.Ended() {
		return nex.Errorf(nex.CodeLameDuck, "the node is leaving its workloads to its next process: try again in a moment")
	}
	m.forget(id)
	if !first {
		return nex.ErrWorkloadNotFound
	}
	w.forgetRecord() // the node may have stopped it, to start it again
	return nil
}

// Close stops every workload, because the node ends, and returns when nothing of them runs any more. Those
// whose restart policy says so stay recorded, and start again with the node. Deploy fails from then on. After
// Leave it does nothing.
func (m *Manager) Close() {
	if m.leaving() {
		return
	}
	m.mu.Lock()
	m.closed = true
	all := slices.Collect(maps.Values(m.workloads))
	m.mu.Unlock()
	for _, w := range all {
		w.stopWithNode()
	}
	m.group.Wait()
}

// Hurry kills the workloads that are being stopped, and those that will be, rather than wait until their grace
// periods are over. It may be called once.
func (m *Manager) Hurry() { close(m.hurried) }

// errHurried is why a program is killed at once.
var errHurried = errors.New("the node was told again to end")

// noteEnded is called by a workload when it has ended. One that was stopped is forgotten at once, unless the node has
// stopped it to start it again, which a request to stop it can still prevent.
func (m *Manager) noteEnded(w *Workload, final nex.State) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w.bytes = 0
	m.ended = append(m.ended, w.spec.ID)
	if final == nex.StateStopped && !w.startsWithNode() {
		m.forgetLocked(w.spec.ID)
	} else if len(m.ended) > maxEnded {
		m.forgetLocked(m.ended[0])
	}
}

func (m *Manager) forget(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forgetLocked(id)
}

// forgetLocked drops a workload if it has ended.
func (m *Manager) forgetLocked(id string) {
	if i := slices.Index(m.ended, id); i >= 0 {
		m.ended = slices.Delete(m.ended, i, i+1)
		delete(m.workloads, id)
	}
}
