package agent

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agent/logpump"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/function"
)

// agent answers the node's requests by handing them to run.
type agent struct {
	cfg       Config
	id        string
	bootstrap agentlink.Bootstrap
	up        *uplink
	waker     *agentlink.Waker // nil: the node cannot wake the agent; belongs to keep

	deploys chan deployment
	stops   chan time.Duration // grace periods
	// abort ends a start that is under way.
	abort  context.CancelFunc
	wanted context.Context // ends with abort

	calls atomic.Pointer[functionWork] // takes calls; nil before there is a function
	logs  atomic.Pointer[logpump.Pump] // carries the workload's log; nil before it is started

	mu sync.Mutex
	// started is made by the one Deploy, and closed when the workload has been started, or could not be.
	started  chan struct{}
	workload *agentlink.Held // set when it has been started

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

func newAgent(cfg Config, b agentlink.Bootstrap, conn *agentlink.Conn) *agent {
	a := &agent{
		cfg: cfg, id: b.AgentID, bootstrap: b, up: newUplink(conn),
		deploys: make(chan deployment),
		stops:   make(chan time.Duration),
		over:    make(chan struct{}),
	}
	a.wanted, a.abort = context.WithCancel(context.Background())
	return a
}

// Deploy starts the workload. Only the first call can succeed.
func (a *agent) Deploy(d agentlink.Deploy) agentlink.DeployReply {
	if !a.claim() {
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

// claim reports whether the agent is to have a workload from now on: true once.
func (a *agent) claim() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.started != nil {
		return false
	}
	a.started = make(chan struct{})
	return true
}

// hold notes how the start of the one workload has gone.
func (a *agent) hold(workload *agentlink.Held) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.workload = workload
	close(a.started)
}

// holds reports whether the agent has a workload, one that has ended too; it waits for a start that is under
// way, as long as ctx lives.
func (a *agent) holds(ctx context.Context) bool {
	a.mu.Lock()
	started := a.started
	a.mu.Unlock()
	if started == nil {
		return false
	}
	select {
	case <-started:
		return a.held() != nil
	case <-ctx.Done():
		return false
	}
}

// held is what a node is told of the workload.
func (a *agent) held() *agentlink.Held {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.workload == nil {
		return nil
	}
	held := *a.workload
	return &held
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
		a.mu.Lock()
		if a.workload != nil {
			a.workload.Exit = &exit
		}
		a.mu.Unlock()
		a.abort()
		close(a.over)
	})
}

// run owns the workload until nothing of it is left and the node knows.
func (a *agent) run(ctx context.Context) error {
	w, err := a.await(ctx)
	if w == nil {
		a.end(nex.Exit{})
		a.up.current().Settle()
		return err
	}
	exit, err := w.attend(ctx, a.stops)
	a.flush()
	a.end(exit)
	// Whoever asked learns it before the others do, and before the link is closed.
	a.up.current().Settle()
	if unheard := a.report(ctx, exit); unheard != nil && err == nil {
		err = fmt.Errorf("tell the node that the program has ended: %w", unheard)
	}
	return err
}

// flush gives what the workload has logged a moment to be sent, if there is a link.
func (a *agent) flush() {
	logs := a.logs.Load()
	if logs == nil {
		return
	}
	timer := time.NewTimer(drainTimeout)
	defer timer.Stop()
	select {
	case <-logs.Sent():
	case <-a.up.current().Lost():
	case <-timer.C:
	}
}

// report tells the node how the workload has ended, and again, and the nodes after it, until one has heard it
// or the orphan timeout is over. When ctx has ended it tries once, if there is a link.
func (a *agent) report(ctx context.Context, exit nex.Exit) error {
	waiting, cancel := a.untilOrphaned(ctx)
	defer cancel()
	for {
		conn, err := a.up.attached(waiting)
		if err != nil {
			return err
		}
		a.flush() // a new link has not been sent everything
		err = tell(context.WithoutCancel(ctx), conn, exit)
		if err == nil || waiting.Err() != nil {
			return err
		}
		timer := time.NewTimer(lastPause)
		select {
		case <-conn.Lost():
		case <-timer.C:
		case <-waiting.Done():
		}
		timer.Stop()
	}
}

// tell tells a node how the workload has ended.
func tell(ctx context.Context, conn *agentlink.Conn, exit nex.Exit) error {
	ctx, cancel := context.WithTimeout(ctx, exitedTimeout)
	defer cancel()
	return conn.Exited(ctx, exit)
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
				reply := w.reply()
				a.hold(&agentlink.Held{WorkloadID: d.WorkloadID, PID: reply.PID})
				d.reply <- reply
				return w, nil
			}
			// What becomes of an agent without a workload is the node's decision, while there is one.
			a.hold(nil)
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
func (a *agent) LogsHeard(heard agentlink.LogsHeard) {
	if logs := a.logs.Load(); logs != nil {
		logs.Heard(heard.Seq)
	}
}

// openLog makes what carries the log of the one workload.
func (a *agent) openLog(workloadID string) *logpump.Pump {
	p := logpump.New(workloadID)
	a.logs.Store(p)
	p.Attach(a.up.current())
	return p
}

// closeLog ends it.
func (a *agent) closeLog() {
	if logs := a.logs.Load(); logs != nil {
		logs.Close()
	}
}
