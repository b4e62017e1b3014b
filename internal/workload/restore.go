package workload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/pool"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/state"
)

const (
	// returnTimeout bounds how long an adopted agent may take to come back. One that runs is back at once, unless
	// its machine has more to do than it can.
	returnTimeout = time.Minute
	// adoptAtOnce bounds how many sandboxes are being adopted at one time.
	adoptAtOnce = 16
	// returnAtOnce bounds how many agents are on their way back at one time: of a hundred that share the
	// processors none would be back before nearly all are, the functions among them, whose callers wait.
	returnAtOnce = 4
	// returnTurn is for how long an agent that does not come keeps another one waiting.
	returnTurn = 250 * time.Millisecond
)

// adopted is what a restored workload has of an earlier node process.
type adopted struct {
	agent  *pool.Agent // nil if it could not be adopted
	goods  goods       // the image whose files it has as its root, lest it be removed
	run    run
	digest string
	// lost is why there is no agent; nil if none was recorded.
	lost error
	exit *nex.Exit // how the program has ended, if that was recorded and not seen to
	// stopping says that the earlier process was about to stop the workload.
	stopping bool
	// ended is the final state of one that has ended, which the world may not have been told; empty if it has not.
	ended nex.State
}

// Restore takes over the workloads that an earlier node process has recorded. Those whose agents still run go on
// at once, functions first, whose callers wait; it does not wait for their agents to come back. With the others
// nothing is done before Resume. It returns how many agents were adopted. What cannot be restored is in the log,
// and stays recorded.
func (m *Manager) Restore(ctx context.Context, records []state.Record) (agents int) {
	var all []*Workload
	for _, r := range records {
		w, err := m.restore(r)
		switch {
		case err != nil:
			m.cfg.Logger.Error("workload was not restored", "workload", r.Name, "id", r.ID, "namespace", r.Namespace, "error", err)
		case w.adopted.ended != "":
			w.tellEnd(r.Reason)
		default:
			all = append(all, w)
		}
	}
	slices.SortStableFunc(all, func(a, b *Workload) int { return rank(a) - rank(b) })
	places := make(chan struct{}, adoptAtOnce)
	var adopting sync.WaitGroup
	for _, w := range all {
		if w.agentID == "" {
			continue
		}
		places <- struct{}{}
		adopting.Go(func() {
			defer func() { <-places }()
			if w.adopt(ctx); w.adopted.agent != nil {
				m.group.Go(w.run)
			}
		})
	}
	adopting.Wait()
	for _, w := range all {
		if w.adopted.agent != nil {
			agents++
		} else {
			m.restored = append(m.restored, w)
		}
	}
	return agents
}

// AwaitReturn waits until it is known of each workload whose agent Restore has adopted what becomes of it: as a rule
// that the agent is back. It gives up when ctx ends.
func (m *Manager) AwaitReturn(ctx context.Context) {
	for _, w := range m.find(func(Spec) bool { return true }) {
		if w.adopted == nil || w.adopted.agent == nil {
			continue
		}
		select {
		case <-w.moved:
		case <-w.done:
		case <-ctx.Done():
			return
		}
	}
}

// Waiting reports whether there are restored workloads that wait for Resume.
func (m *Manager) Waiting() bool { return len(m.restored) > 0 }

// rank says who is adopted first.
func rank(w *Workload) int {
	if w.spec.Type.Function() {
		return 0
	}
	return 1
}

// restore makes a workload of a record.
func (m *Manager) restore(r state.Record) (*Workload, error) {
	var k kept
	if err := json.Unmarshal(r.Spec, &k); err != nil {
		return nil, fmt.Errorf("read what is kept of it: %w", err)
	}
	if k.Spec.ID != r.ID {
		return nil, fmt.Errorf("what is kept of it is of workload %s", k.Spec.ID)
	}
	w := newWorkload(m, k.Spec)
	w.bytes, w.agentID = k.Bytes, r.AgentID
	w.status.Accepted, w.status.Started, w.status.Restarts = r.Accepted, r.Started, r.Restarts
	if r.Digest != "" {
		w.status.Digest = r.Digest
	}
	w.recordedLevel = r.Sandbox
	w.adopted = &adopted{digest: r.Digest, exit: k.Exit, stopping: r.State == nex.StateStopping}
	if r.State.Ended() && !k.NodeStops {
		w.adopted.ended = r.State
	}
	if w.adopted.stopping && k.NodeStops && w.policy() != nex.RestartNever {
		w.adopted.stopping, w.agentID = false, "" // what is left of it ends, and it starts again
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.workloads[r.ID] = w
	return w, nil
}

// tellEnd tells the world how a workload ended under an earlier process, which may not have come to it.
func (w *Workload) tellEnd(reason string) {
	defer close(w.done)
	defer w.cancel()
	if final := w.adopted.ended; final != nex.StateStopped { // of that somebody was told who asked for it
		w.move(final, reason, w.adopted.exit)
		if w.hasRun() {
			w.undeployed(final, reason, w.adopted.exit)
		}
		w.m.noteEnded(w, final)
		w.forgetTold()
		return
	}
	w.status.State = nex.StateStopped
	w.m.noteEnded(w, nex.StateStopped)
	w.forgetRecord()
}

// adopt takes over the agent of a workload, if there is one any more.
func (w *Workload) adopt(ctx context.Context) {
	a := w.adopted
	if level := w.m.cfg.Capabilities.Level; w.recordedLevel != level {
		a.lost = fmt.Errorf("it ran in a sandbox of level %s, and the node has level %s now", w.recordedLevel, level)
		return
	}
	if w.spec.Type == nex.TypeOCI && w.m.cfg.Images != nil {
		if a.goods.image = w.m.cfg.Images.Hold(a.digest); a.goods.image == nil {
			a.lost = errors.New("its image is gone")
			return
		}
	}
	a.run = w.newRun(w.agentID, a.digest)
	a.agent, a.lost = w.m.cfg.Agents.Adopt(ctx, w.agentID, !w.spec.Type.Function(), a.run.events)
	if errors.Is(a.lost, sandbox.ErrGone) {
		a.lost = errors.New("it ended while there was no node")
	}
}

// Resume lets those of the restored workloads go on that nobody runs any more, as their restart policies say. It
// is called once what is left of their sandboxes has been removed.
func (m *Manager) Resume() {
	for _, w := range m.restored {
		m.group.Go(w.run)
	}
	m.restored = nil
}

// resume is the first part of the life of a restored workload, until the run that the earlier process has
// started has ended.
func (w *Workload) resume() outcome {
	a := w.adopted
	if a.stopping {
		w.stop(DefaultGrace)
	}
	defer a.goods.release()
	switch {
	case a.agent == nil && a.exit != nil:
		return outcome{exit: a.exit, what: "the " + w.kind()}
	case a.lost != nil:
		return outcome{err: fmt.Errorf("the %s was lost with an earlier process of the node: %w", w.kind(), a.lost)}
	case a.agent == nil:
		return outcome{err: errors.New("the node has been started again")}
	}
	end := w.takeOver(a)
	if !end.left {
		a.agent.Release()
	}
	return end
}

// takeOver waits for an adopted agent to come back and then for the end of what it runs.
func (w *Workload) takeOver(a *adopted) outcome {
	held, err := w.awaitAgent(a.agent)
	switch {
	case err != nil && a.exit != nil: // the agent knew that this was recorded, and has ended
		return outcome{exit: a.exit, what: "the " + w.kind()}
	case err != nil:
	case held.WorkloadID != w.spec.ID:
		err = fmt.Errorf("it runs workload %s", held.WorkloadID)
	case w.ctx.Err() == nil:
		err = w.connect(a)
	}
	if err != nil && w.m.leaving() && w.ctx.Err() == nil {
		return outcome{left: true} // for the next process to try
	}
	if err != nil {
		return outcome{err: fmt.Errorf("the %s was given up, because its agent could not be taken over: %w", w.kind(), err)}
	}
	switch {
	case w.ctx.Err() != nil: // it is to stop, and is not said to run before
	case w.hasRun():
		w.move(nex.StateRunning, "taken over from an earlier process of the node", nil)
	default: // the end came between the start and its record
		w.running(a.digest)
	}
	return w.attend(a.agent, a.run)
}

// errLeft is why nobody waits for an agent any more.
var errLeft = errors.New("the node leaves its workloads to its next process")

// awaitAgent has an adopted agent come back when it is its turn. It gives up when the workload is to stop and the grace
// period is over, and when the node leaves.
func (w *Workload) awaitAgent(agent *pool.Agent) (agentlink.Held, error) {
	select {
	case w.m.returning <- struct{}{}:
	case <-w.m.left:
		return agentlink.Held{}, errLeft
	}
	next := sync.OnceFunc(func() { <-w.m.returning })
	defer next()
	defer time.AfterFunc(returnTurn, next).Stop()
	ctx, cancel := context.WithTimeoutCause(context.Background(), returnTimeout, fmt.Errorf("it did not come back within %s", returnTimeout))
	defer cancel()
	ctx, release := until(ctx, func(ctx context.Context) error { return w.giveUp(ctx, agent) })
	defer release()
	ctx, stay := until(ctx, func(ctx context.Context) error {
		select {
		case <-w.m.left:
			return errLeft
		case <-ctx.Done():
			return nil
		}
	})
	defer stay()
	return agent.Return(ctx)
}

// connect connects a function whose agent is back with its triggers. What that needs may be away for longer than
// the node was.
func (w *Workload) connect(a *adopted) error {
	if !w.spec.Type.Function() {
		return nil
	}
	for s := (streak{policy: w.m.cfg.Restart}); ; {
		err := w.openFunction()
		if err == nil {
			err = w.function.Attach(a.agent.Link, a.digest)
		}
		if err == nil || nex.CodeOf(err) == nex.CodeTriggerDenied {
			return err
		}
		select {
		case <-w.starting.Done():
			return err
		case <-a.agent.Instance.Done():
			return err
		default:
		}
		wait := s.delay()
		w.m.cfg.Logger.Warn("a function that was taken over is not connected yet", "workload", w.spec.Name, "id", w.spec.ID, "error", err, "retry_in", wait)
		w.pause(wait)
	}
}
