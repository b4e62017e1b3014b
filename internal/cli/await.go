package cli

import (
	"context"
	"fmt"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
)

const (
	// crashWindow is how long run and devrun look whether a program that was started ends at once. They
	// look on while the answer is printed, so that a crash at the start is seen where it was caused.
	crashWindow = 50 * time.Millisecond
	// sandboxCrashWindow is the same for a program in a sandbox, which takes longer to begin.
	sandboxCrashWindow = 250 * time.Millisecond
	// startWithin is how long they wait for a function that takes its time: longer than a node lets one
	// load.
	startWithin = 30 * time.Second
	// fetchWithin is how long they wait for an image, which the node may have to fetch first.
	fetchWithin = 10 * time.Minute
)

// startWatch hears what becomes of the workloads of one name on a node.
type startWatch struct {
	changes chan nex.WorkloadStateChanged
	ended   chan struct{} // closed when nothing more will come
	cancel  context.CancelFunc
}

// watchStart returns once it listens, or cannot: a connection that may not see events can deploy
// nevertheless. The caller closes it.
func watchStart(ctx context.Context, c *client.Client, f client.EventFilter) *startWatch {
	ctx, cancel := context.WithCancel(ctx)
	w := &startWatch{changes: make(chan nex.WorkloadStateChanged, 64), ended: make(chan struct{}), cancel: cancel}
	ready := make(chan struct{})
	go func() {
		defer close(w.ended)
		_ = c.WatchEvents(ctx, f, func() { close(ready) }, w.collect)
	}()
	select {
	case <-ready:
	case <-w.ended:
	}
	return w
}

func (w *startWatch) close() {
	w.cancel()
	<-w.ended
}

func (w *startWatch) collect(e nex.Event) {
	change, err := e.StateChange()
	if err != nil {
		return
	}
	select {
	case w.changes <- change:
	default: // enough changes for one look
	}
}

// await waits until a workload that is starting runs or has ended, and puts that state into the
// answer; it fails if it has ended. When ctx or the time to wait is over, or nothing can be heard,
// the answer stays as it is.
func (w *startWatch) await(ctx context.Context, answer *nex.RunResponse, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		select {
		case change := <-w.changes:
			if change.ID != answer.ID || change.To == nex.StateStarting || change.To == nex.StateStopping {
				continue
			}
			answer.State = change.To
			if change.To.Ended() {
				return fmt.Errorf("workload %s was not started: %s", answer.Name, change.Reason)
			}
			return nil
		case <-w.ended:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// windowOf is how long to look whether a workload ends at once.
func windowOf(t nex.WorkloadType, answer nex.RunResponse) time.Duration {
	if t.Function() || answer.Sandbox == nex.SandboxNone || answer.Sandbox == "" {
		return crashWindow
	}
	return sandboxCrashWindow
}

// crashed waits a moment for news that the workload has ended or restarts.
func (w *startWatch) crashed(ctx context.Context, answer nex.RunResponse, window time.Duration) error {
	timer := time.NewTimer(window)
	defer timer.Stop()
	for {
		select {
		case change := <-w.changes:
			if change.ID == answer.ID && (change.To == nex.StateFailed || change.To == nex.StateRestarting) {
				return fmt.Errorf("workload %s ended right after its start: %s: look at nex logs --no-follow --workload %s", answer.Name, change.Reason, answer.ID)
			}
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}
