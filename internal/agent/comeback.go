package agent

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/nex-engine/nex/internal/agentlink"
)

// ErrOrphaned means that the node has not come back in time.
var ErrOrphaned = errors.New("the node has not come back within the orphan timeout")

// ErrNodeGone means that there is nothing left of the node to come back to.
var ErrNodeGone = errors.New("the node's directory is gone")

// goneAfter is for how long the directory of the link must be gone until nobody is waited for.
const goneAfter = 5 * time.Second

// Pauses before attempts to reach a node that is away; they double, and each is shortened by up to a half so
// that agents do not come all at once.
const (
	firstPause = 25 * time.Millisecond
	lastPause  = 500 * time.Millisecond
	// An agent that the node can wake tries by itself only lest it was not told: what a hundred sandboxes do in
	// vain keeps the machine from starting their node.
	firstPauseWoken = time.Second
	lastPauseWoken  = 2 * time.Second
)

// keep stays with the link until ctx ends. When it is lost, an agent that has a workload comes back to its node,
// or to the one after it. What has none, or cannot come back in time, ends by cancel.
func (a *agent) keep(ctx context.Context, cancel context.CancelCauseFunc) {
	for {
		conn := a.up.current()
		select {
		case <-conn.Lost():
		case <-ctx.Done():
			return
		}
		conn.Close()
		if err := a.comeBack(ctx); err != nil {
			cancel(err)
			return
		}
	}
}

// comeBack tries to reach a node until that succeeds, until the orphan timeout is over, or until ctx ends.
func (a *agent) comeBack(ctx context.Context) error {
	ctx, cancel := a.untilOrphaned(ctx)
	defer cancel()
	if !a.holds(ctx) {
		return cmp.Or(context.Cause(ctx), ErrLinkLost)
	}
	a.cfg.Logger.Warn("the link to the node is lost; the workload goes on")
	there := time.Now() // the directory of the link
	first, last := firstPause, lastPause
	if a.waker != nil {
		first, last = firstPauseWoken, lastPauseWoken
	}
	for pause := first; ; pause = min(2*pause, last) {
		told, err := a.rest(ctx, pause-rand.N(pause/2))
		if err != nil {
			return err
		}
		if told { // if it fails all the same, it will not be long
			pause = first
		}
		if a.attach(ctx) == nil {
			return nil
		}
		switch now := time.Now(); {
		case !agentlink.Gone(a.bootstrap):
			there = now
		case now.Sub(there) > goneAfter:
			return ErrNodeGone
		}
	}
}

// rest waits before an attempt, until the node tells it that it is there if it does. The error is ctx's cause.
func (a *agent) rest(ctx context.Context, pause time.Duration) (told bool, err error) {
	if a.waker != nil {
		if told, err = a.waker.Wait(ctx, pause); err == nil {
			return told, context.Cause(ctx)
		}
		a.cfg.Logger.Warn("the node cannot wake this agent", attrError, err)
		a.closeWaker()
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return false, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// closeWaker gives up to be woken.
func (a *agent) closeWaker() {
	if a.waker != nil {
		a.waker.Close()
		a.waker = nil
	}
}

// untilOrphaned derives a context that ends when the orphan timeout is over that begins now.
func (a *agent) untilOrphaned(ctx context.Context) (context.Context, context.CancelFunc) {
	if a.bootstrap.OrphanTimeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, a.bootstrap.OrphanTimeout, ErrOrphaned)
}

// attach links the agent with a node that is there, tells it what the agent holds, and what it has not heard.
func (a *agent) attach(ctx context.Context) error {
	conn, err := agentlink.Redial(ctx, a.bootstrap)
	if err != nil {
		return err
	}
	if err := a.greet(ctx, conn); err != nil {
		conn.Close()
		return err
	}
	a.logs.Load().Attach(conn) // before the end of the workload is told, of which they are the last words
	a.up.use(conn)
	return nil
}

// greet lets the node ask and call on a link, and introduces the agent with its workload.
func (a *agent) greet(ctx context.Context, conn *agentlink.Conn) error {
	if err := conn.Serve(a); err != nil {
		return err
	}
	if a.calls.Load() != nil {
		if err := conn.OpenCalls(a); err != nil {
			return err
		}
	}
	return introduce(ctx, conn, a.bootstrap.AgentID, a.held())
}
