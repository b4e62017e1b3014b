package node

import (
	"context"
	"sync"
	"time"

	nex "github.com/nex-engine/nex"
)

// leaving is what a lame duck does: it drains, and ends when somebody has asked for that. It is safe for
// concurrent use.
type leaving struct {
	ctx   context.Context // of the node
	end   context.CancelFunc
	group sync.WaitGroup

	mu      sync.Mutex
	drained chan struct{} // closed when no call is under way any more; nil before the first request
	idle    bool          // the node ends when it is idle
}

// begin returns the context of the node, which ends at the latest with the one given.
func (l *leaving) begin(ctx context.Context) context.Context {
	l.ctx, l.end = context.WithCancel(ctx)
	return l.ctx
}

// stop ends the node's context; when it returns, nothing is left of what requests have begun.
func (l *leaving) stop() {
	l.mu.Lock() // a request that is looked at now joins the group before the wait for it
	l.end()
	l.mu.Unlock()
	l.group.Wait()
}

// lameDuck lets the calls of functions come to their end, and the node when that is asked for. Of
// several requests the one that ends the node first counts.
func (n *node) lameDuck(exit nex.ExitAfter) {
	l := &n.leaving
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return
	}
	if l.drained == nil {
		l.drained = make(chan struct{})
		l.group.Go(func() {
			defer close(l.drained)
			n.workloads.Drain(l.ctx)
		})
	}
	if exit == "" {
		return
	}
	n.log.Info("lame duck is to end", "exit_after", exit)
	if !l.idle {
		l.idle = true
		l.group.Go(n.endWhenIdle)
	}
	if d, limited := exit.Time(); limited {
		timer := time.AfterFunc(d, l.end)
		context.AfterFunc(l.ctx, func() { timer.Stop() })
	}
}

// endWhenIdle ends the node once nothing is left for it to do.
func (n *node) endWhenIdle() {
	<-n.leaving.drained
	n.workloads.AwaitIdle(n.leaving.ctx)
	n.leaving.end()
}
