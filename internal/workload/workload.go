package workload

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	nex "github.com/nex-engine/nex"
)

// Workload is one workload and the goroutine that runs it.
type Workload struct {
	m       *Manager
	spec    Spec
	journal journal

	ctx     context.Context // ends when the workload is asked to stop; bounds starting it
	cancel  context.CancelFunc
	settled chan struct{} // closed when the first start has succeeded or failed
	failure error         // of the first start; set before settled is closed
	done    chan struct{} // closed when it has ended and nothing of it runs any more
	// starting ends when a start is no longer wanted: with ctx, and when the node leaves.
	starting    context.Context
	cancelStart context.CancelFunc

	moved     chan struct{} // closed with the first change of state
	movedOnce sync.Once

	keeping   sync.Mutex // held while the workload is recorded
	forgotten bool       // it is recorded no more; guarded by keeping

	adopted       *adopted         // of a workload that was restored; nil otherwise
	recordedLevel nex.SandboxLevel // of that

	bytes int64 // size of the artifact; guarded by Manager.mu

	// function is set by run, before the first start; others read it under mu.
	function Function

	mu        sync.Mutex
	status    Status
	agentID   string    // the agent that runs it, as it is recorded
	unseen    *nex.Exit // how its program has ended, until that is seen to
	promised  bool      // Deploy has answered that it starts
	stopping  bool
	nodeStops bool          // it stops because the node does
	grace     time.Duration // of the stop request
}

func newWorkload(m *Manager, spec Spec) *Workload {
	w := &Workload{
		m: m, spec: spec, settled: make(chan struct{}), done: make(chan struct{}), moved: make(chan struct{}),
		status: Status{Spec: spec, Accepted: time.Now(), Digest: spec.Digest, Sandbox: m.cfg.Capabilities.Level},
	}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.starting, w.cancelStart = context.WithCancel(w.ctx)
	return w
}

// Status returns a snapshot.
func (w *Workload) Status() Status {
	w.mu.Lock()
	status, f := w.status, w.function
	w.mu.Unlock()
	if f != nil {
		calls := f.Stats()
		status.Calls = &calls
	}
	return status
}

// stop asks the workload to end and reports whether this was the first to ask, other than the node that ends itself.
func (w *Workload) stop(grace time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopping && !w.nodeStops {
		return false
	}
	w.stopping, w.nodeStops, w.grace = true, false, grace
	w.cancel()
	return true
}

// stopWithNode asks the workload to end because the node does.
func (w *Workload) stopWithNode() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.stopping {
		w.stopping, w.nodeStops, w.grace = true, true, DefaultGrace
		w.cancel()
	}
}

// whyStopped is why a workload stops that is to.
func (w *Workload) whyStopped() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case !w.nodeStops:
		return "stopped on request"
	case w.policy() == nex.RestartNever:
		return "the node stops"
	}
	return "the node stops, and starts it again when it is started"
}

// gracePeriod is the one of the stop request.
func (w *Workload) gracePeriod() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.grace
}

// firstStart reports whether the first start has been settled, and how it failed if it did.
func (w *Workload) firstStart() (settled bool, failure error) {
	select {
	case <-w.settled:
		return true, w.failure
	default:
		return false, nil
	}
}

// run is the life of the workload.
func (w *Workload) run() {
	defer close(w.done)
	defer w.cancel()
	defer w.closeFunction()
	end := w.firstRun()
	for streak := (streak{policy: w.m.cfg.Restart}); ; end = w.once() {
		if end.left || w.m.leaving() && w.ctx.Err() == nil && end.exit == nil {
			return // the record says where it stands
		}
		next, wait := w.verdict(&end, &streak)
		if next != nex.StateRestarting {
			w.finish(next, end)
			return
		}
		why := fmt.Sprintf("%s; starting again in %s", end.reason(), wait.Round(time.Millisecond))
		w.move(nex.StateRestarting, why, end.exit)
		w.note(why)
		w.pause(wait)
	}
}

// firstRun is the first run that this process has to do with.
func (w *Workload) firstRun() outcome {
	if w.adopted != nil {
		return w.resume()
	}
	w.move(nex.StateStarting, "accepted", nil)
	return w.once()
}

// verdict decides what follows the end of a run.
func (w *Workload) verdict(end *outcome, s *streak) (next nex.State, wait time.Duration) {
	switch {
	case w.ctx.Err() != nil:
		return nex.StateStopped, 0
	case !w.hasRun() && (w.adopted == nil || w.policy() == nex.RestartNever):
		return nex.StateFailed, 0
	case end.again(w.policy()):
		if end.early && (w.hasRun() || w.adopted != nil) { // for want of what is around it: nothing says that it does not run
			return nex.StateRestarting, s.delay()
		}
		wait, again := s.next(end.ran)
		if again {
			return nex.StateRestarting, wait
		}
		end.suffix = fmt.Sprintf("; given up after %d starts", s.policy.MaxStarts)
		return nex.StateFailed, 0
	case end.success():
		return nex.StateCompleted, 0
	}
	return nex.StateFailed, 0
}

// hasRun reports whether the program was ever started.
func (w *Workload) hasRun() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.status.Started.IsZero()
}

// running notes that the program runs.
func (w *Workload) running(digest string) {
	w.mu.Lock()
	again := !w.status.Started.IsZero()
	w.status.Started = time.Now()
	w.status.Digest = digest
	if again {
		w.status.Restarts++
	}
	w.mu.Unlock()
	reason := "the program runs"
	if w.spec.Type.Function() {
		reason = "the function answers"
	}
	w.move(nex.StateRunning, reason, nil)
	if !again {
		w.m.cfg.Publisher.Event(w.spec.Namespace, nex.EventWorkloadDeployed, nex.WorkloadDeployed{WorkloadName: w.spec.Name, ID: w.spec.ID, Sandbox: w.m.cfg.Capabilities.Level})
		close(w.settled)
	}
}

// finish makes a final state known, to the world before the callers of Deploy and Stop.
func (w *Workload) finish(final nex.State, end outcome) {
	reason := end.reason()
	if final == nex.StateStopped {
		if w.Status().State != nex.StateStopping {
			w.move(nex.StateStopping, w.whyStopped(), nil)
		}
		reason = w.whyStopped()
		if end.killed != nil {
			reason += fmt.Sprintf("; its sandbox was killed: %v", end.killed)
		}
	}
	w.move(final, reason, end.exit)
	w.keepEnd(final)
	if final == nex.StateFailed || end.killed != nil {
		w.note(reason)
	}
	hasRun := w.hasRun()
	if hasRun {
		w.undeployed(final, reason, end.exit)
	}
	w.m.noteEnded(w, final)
	w.forgetTold()
	if !hasRun {
		w.failure = end.err
		if final == nex.StateStopped {
			w.failure = nex.Errorf(nex.CodeStartFailed, "workload %s was stopped before it ran", w.spec.Name)
		}
		close(w.settled)
	}
}

func (w *Workload) undeployed(final nex.State, reason string, exit *nex.Exit) {
	gone := nex.WorkloadUndeployed{WorkloadName: w.spec.Name, ID: w.spec.ID, Message: reason, Reason: string(final)}
	if exit != nil {
		gone.Code = exit.Code
	}
	w.m.cfg.Publisher.Event(w.spec.Namespace, nex.EventWorkloadUndeployed, gone)
}

// move is the one place where a state changes. A move that is not in the table is a bug.
func (w *Workload) move(to nex.State, reason string, exit *nex.Exit) {
	w.mu.Lock()
	from := w.status.State
	if !slices.Contains(moves[from], to) {
		w.mu.Unlock()
		panic(fmt.Sprintf("workload: illegal move from %q to %q", from, to))
	}
	w.status.State, w.status.Reason = to, reason
	if exit != nil {
		w.status.Exit = exit
	}
	w.mu.Unlock()
	w.keepState(to)
	w.movedOnce.Do(func() { close(w.moved) })
	w.m.cfg.Publisher.Event(w.spec.Namespace, nex.EventWorkloadState, nex.WorkloadStateChanged{
		ID: w.spec.ID, Name: w.spec.Name, From: from, To: to, Reason: reason, Exit: exit,
	})
	w.m.cfg.Logger.Info("workload "+string(to), "workload", w.spec.Name, "id", w.spec.ID, "namespace", w.spec.Namespace, "reason", reason)
}

// pause waits before the next start, unless it is no longer wanted.
func (w *Workload) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.starting.Done():
	}
}

// logs keeps and publishes lines of the program. Those of its history were published before.
func (w *Workload) logs(records []nex.LogRecord, history bool) {
	for _, r := range records {
		r.ID = w.spec.ID // an agent speaks for its workload only
		w.journal.add(r)
		if !history {
			w.m.cfg.Publisher.Log(w.spec.Namespace, w.spec.Name, r)
		}
	}
}

// note adds a line of the node's own to the workload's log.
func (w *Workload) note(text string) {
	r := nex.LogRecord{ID: w.spec.ID, Text: text, Level: int(slog.LevelWarn), Stream: nex.StreamNex, Time: time.Now().UTC()}
	w.journal.add(r)
	w.m.cfg.Publisher.Log(w.spec.Namespace, w.spec.Name, r)
}
