package agent

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/function"
)

// agent answers the node's requests by handing them to run.
type agent struct {
	cfg  Config
	id   string
	conn *agentlink.Conn

	deploys chan deployment
	stops   chan time.Duration // grace periods
	// abort ends a start that is under way.
	abort   context.CancelFunc
	wanted  context.Context // ends with abort
	claimed sync.Once       // by the one Deploy

	calls atomic.Pointer[functionWork] // takes calls; nil before there is a function

	over  chan struct{} // closed when nothing of the workload is left
	exit  nex.Exit      // valid then
	ended sync.Once
}

// deployment is a Deploy on its way to run, which answers it once.
type deployment struct {
	agentlink.Deploy
	reply chan<- agentlink.DeployReply
}

var _ agentlink.Handler = (*agent)(nil)

func newAgent(cfg Config, id string, conn *agentlink.Conn) *agent {
	a := &agent{
		cfg: cfg, id: id, conn: conn,
		deploys: make(chan deployment),
		stops:   make(chan time.Duration),
		over:    make(chan struct{}),
	}
	a.wanted, a.abort = context.WithCancel(context.Background())
	return a
}

// Deploy starts the workload. Only the first call can succeed.
func (a *agent) Deploy(d agentlink.Deploy) agentlink.DeployReply {
	first := false
	a.claimed.Do(func() { first = true })
	if !first {
		return refusal(nex.Errorf(nex.CodeInternal, "agent %s has been given a workload already: an agent runs one", a.id))
	}
	reply := make(chan agentlink.DeployReply, 1)
	select {
	case a.deploys <- deployment{d, reply}:
		return <-reply
	case <-a.over:
		return refusal(nex.Errorf(nex.CodeStartFailed, "agent %s has been told to stop before it could start the workload", a.id))
	}
}

func refusal(err error) agentlink.DeployReply {
	return agentlink.DeployReply{Error: err.Error(), Code: nex.CodeOf(err)}
}

// Undeploy stops the workload, if there is one, and returns when nothing of it is left. It may be
// called at any time, and again: the shortest grace period counts.
func (a *agent) Undeploy(u agentlink.Undeploy) agentlink.Exited {
	a.abort()
	select {
	case a.stops <- u.Grace:
		<-a.over
	case <-a.over:
	}
	return agentlink.Exited{Exit: a.exit}
}

// Trigger hands a call to the function.
func (a *agent) Trigger(t agentlink.Trigger, answer func(agentlink.Answer)) {
	f := a.calls.Load()
	if f == nil {
		answer(agentlink.Answer{Status: function.StatusUnavailable, Message: "the agent has no function yet"})
		return
	}
	f.take(t, answer)
}

// end lets every request return that waits for the end, now and later.
func (a *agent) end(exit nex.Exit) {
	a.ended.Do(func() {
		a.exit = exit
		a.abort()
		close(a.over)
	})
}

// run owns the workload until nothing of it is left.
func (a *agent) run(ctx context.Context) error {
	var exit nex.Exit
	w, err := a.await(ctx)
	if w != nil {
		exit, err = w.attend(ctx, a.stops)
	}
	a.end(exit)
	// Whoever asked learns it before the others do, and before the link is closed.
	a.conn.Settle()
	if w == nil || isClosed(a.conn.Lost()) {
		return err
	}
	// Also when ctx was cancelled: the node wants to know.
	reporting, cancel := context.WithTimeout(context.WithoutCancel(ctx), exitedTimeout)
	defer cancel()
	if unheard := a.conn.Exited(reporting, exit); unheard != nil && err == nil {
		if isClosed(a.conn.Lost()) {
			unheard = ErrLinkLost
		}
		err = fmt.Errorf("tell the node that the program has ended: %w", unheard)
	}
	return err
}

// await returns the workload once it is told to start one and that succeeds, and nil when it is told
// to stop before that.
func (a *agent) await(ctx context.Context) (work, error) {
	for {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-a.stops:
			return nil, nil
		case d := <-a.deploys:
			w, err := a.start(ctx, d.Deploy)
			if err == nil {
				d.reply <- w.reply()
				return w, nil
			}
			// What becomes of an agent without a workload is the node's decision.
			a.cfg.Logger.Info("workload not started", attrWorkload, d.WorkloadID, attrError, err)
			d.reply <- refusal(err)
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// LogsHeard implements agentlink.Handler.
func (a *agent) LogsHeard(agentlink.LogsHeard) {}
