package workload

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"syscall"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/state"
)

// Store is where workloads are recorded, for the next node process; state.Store is one.
type Store interface {
	// Put records a workload, whole or not at all; a durable record outlives the machine's end.
	Put(r state.Record, durable bool) error
	// Delete forgets it for good.
	Delete(id string) error
}

// noStore forgets everything at once.
type noStore struct{}

func (noStore) Put(state.Record, bool) error { return nil }
func (noStore) Delete(string) error          { return nil }

// kept is what a record holds besides what it shows: state.Record.Spec is its JSON.
type kept struct {
	Spec  Spec  `json:"spec"`
	Bytes int64 `json:"bytes,omitempty"` // of the artifact, if its size is known
	// Exit is how the program has ended, if that is not yet seen to, or told.
	Exit *nex.Exit `json:"exit,omitempty"`
	// NodeStops says that a workload stops because its node does.
	NodeStops bool `json:"node_stops,omitempty"`
}

// record is what there is to keep of the workload now.
func (w *Workload) record() (state.Record, error) {
	w.m.mu.Lock()
	bytes := w.bytes
	w.m.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	s, exit := w.status, w.unseen
	if s.State.Ended() && !w.nodeStops { // after that it starts again, whatever the end was
		exit = s.Exit
	}
	spec, err := json.Marshal(kept{Spec: w.spec, Bytes: bytes, Exit: exit, NodeStops: w.nodeStops})
	if err != nil {
		return state.Record{}, fmt.Errorf("encode workload: %w", err)
	}
	return state.Record{
		ID: w.spec.ID, Name: w.spec.Name, Namespace: w.spec.Namespace, Type: w.spec.Type, Restart: w.policy(),
		State: s.State, Reason: s.Reason, AgentID: w.agentID, Sandbox: s.Sandbox, Digest: s.Digest,
		Restarts: s.Restarts, Accepted: s.Accepted, Started: s.Started, Spec: spec,
	}, nil
}

// keep records the workload as it is now, unless it was forgotten.
func (w *Workload) keep(durable bool) error {
	w.keeping.Lock() // a later record must not be replaced by an earlier one
	defer w.keeping.Unlock()
	if w.forgotten {
		return nil
	}
	r, err := w.record()
	if err == nil {
		err = w.m.cfg.Store.Put(r, durable)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return nex.Errorf(nex.CodeInsufficientResources, "workload %s cannot be recorded: the disk with the node's data directory is full: free some space", w.spec.Name)
	}
	return nex.Errorf(nex.CodeInternal, "workload %s cannot be recorded: %v", w.spec.Name, err)
}

// keepAgent records which agent is about to run what has the digest: from here on the next node process finds it.
// The record gets to the disk beside the start, for which durable waits: what is said to run is not forgotten.
func (w *Workload) keepAgent(id, digest string) (durable func() error, err error) {
	w.mu.Lock()
	w.agentID, w.unseen, w.status.Digest = id, nil, digest
	w.mu.Unlock()
	if err := w.keep(false); err != nil {
		return nil, err
	}
	recorded := make(chan error, 1)
	go func() { recorded <- w.keep(true) }()
	return sync.OnceValue(func() error { return <-recorded }), nil
}

// keepExit records how the program has ended that an agent runs, before the agent is told that this is known. Of an
// agent that was given up it is of no interest.
func (w *Workload) keepExit(agentID string, e nex.Exit) error {
	w.mu.Lock()
	of := w.agentID
	if of == agentID {
		w.unseen = &e
	}
	w.mu.Unlock()
	if of != agentID {
		return nil
	}
	return w.keep(false)
}

// noAgent notes that no agent runs the workload any more.
func (w *Workload) noAgent() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.agentID, w.unseen = "", nil
}

// keepState records a change of state, as well as that can be done: what runs goes on without.
func (w *Workload) keepState(to nex.State) {
	switch to {
	case nex.StateRestarting:
		w.noAgent()
	case nex.StateStopped, nex.StateFailed, nex.StateCompleted: // see keepEnd
		return
	}
	if err := w.keep(to == nex.StateStopping); err != nil {
		w.m.cfg.Logger.Error("change of a workload's state is not recorded", "workload", w.spec.Name, "id", w.spec.ID, "state", to, "error", err)
	}
}

// keepEnd records that the workload has ended. One that was stopped, or whose start failed, is forgotten: who asked
// for that is told. One that the node has stopped because it ends itself stays recorded if it starts again with the
// node, and any other one until its end is told to the world: see forgetTold.
func (w *Workload) keepEnd(final nex.State) {
	w.noAgent()
	w.mu.Lock()
	unheard := final != nex.StateStopped && (w.promised || !w.status.Started.IsZero())
	w.mu.Unlock()
	if unheard || final == nex.StateStopped && w.startsWithNode() {
		err := w.keep(true)
		if err == nil {
			return
		}
		w.m.cfg.Logger.Error("end of a workload is not recorded", "workload", w.spec.Name, "id", w.spec.ID, "error", err)
	}
	w.forgetRecord()
}

// forgetTold forgets a workload once the world has been told of its end, of which nothing would be known otherwise if
// this process ended first.
func (w *Workload) forgetTold() {
	if !w.startsWithNode() {
		w.m.cfg.Publisher.Flushed(w.forgetRecord)
	}
}

// forgetRecord ends what is kept of the workload.
func (w *Workload) forgetRecord() {
	w.keeping.Lock()
	defer w.keeping.Unlock()
	if w.forgotten {
		return
	}
	if err := w.m.cfg.Store.Delete(w.spec.ID); err != nil {
		w.m.cfg.Logger.Error("end of a workload is not recorded: the next start of the node may start it again", "workload", w.spec.Name, "id", w.spec.ID, "error", err)
		return
	}
	w.forgotten = true
}

// startsWithNode reports whether a workload that the node has stopped because it ends itself is started
// again by the next one.
func (w *Workload) startsWithNode() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.nodeStops && w.policy() != nex.RestartNever
}

// policy is the restart policy that holds.
func (w *Workload) policy() nex.RestartPolicy {
	return w.spec.Restart.Resolve(w.spec.Type, w.spec.Essential)
}
