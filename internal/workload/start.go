package workload

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/agentlink/linkhost"
	"github.com/nex-engine/nex/internal/pool"
)

// startTimeout bounds how long an agent may take to start a program.
const startTimeout = 30 * time.Second

// start makes the agent start the program. Its error has a code.
func (w *Workload) start(agent *pool.Agent, d agentlink.Deploy, e linkhost.Events) error {
	// Not the workload's ctx, which ends when a stop is asked for: see giveUp.
	ctx, cancel := context.WithTimeoutCause(context.Background(), startTimeout,
		fmt.Errorf("the agent did not start it within %s", startTimeout))
	defer cancel()
	ctx, release := until(ctx, func(ctx context.Context) error { return w.giveUp(ctx, agent) })
	defer release()
	_, err := agent.Link.Deploy(ctx, d, e)
	var known *nex.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	return nex.Errorf(nex.CodeStartFailed, "start %s: %v", w.kind(), err)
}

// giveUp waits for ctx, and returns nil, or for a reason to wait for a start no longer: the agent has
// ended, or the workload is to stop and the grace period is over. Until then a start goes on, so that
// the program can be told to stop rather than be killed; a function has no calls yet to wait for.
func (w *Workload) giveUp(ctx context.Context, agent *pool.Agent) error {
	toStop := w.ctx.Done()
	var late <-chan time.Time
	for {
		select {
		case <-toStop:
			grace := w.gracePeriod()
			if w.function != nil {
				grace = 0
			}
			toStop, late = nil, time.After(grace)
		case <-late:
			return errors.New("the workload was to stop meanwhile")
		case <-w.m.hurried:
			return errHurried
		case <-agent.Instance.Done():
			return fmt.Errorf("the agent %s", agent.Instance.Exit())
		case <-ctx.Done():
			return nil
		}
	}
}

// until derives a context that ends with the error that wait returns. Release it when it is no longer
// needed; wait must return when its ctx ends.
func until(ctx context.Context, wait func(context.Context) error) (_ context.Context, release func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	var waiting sync.WaitGroup
	waiting.Go(func() { cancel(wait(ctx)) })
	return ctx, func() {
		cancel(nil)
		waiting.Wait()
	}
}
