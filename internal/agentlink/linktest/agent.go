// Package linktest plays agents for tests: goroutines in sandboxes of the fake driver that speak
// the real protocol over a real link. What an agent does is a [Script]; tests drive it further by
// the methods of [Agent].
//
//	fleet := &linktest.Fleet{}
//	driver := &fake.Driver{OnStart: fleet.OnStart}
package linktest

import (
	"cmp"
	"context"
	"runtime"
	"sync"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
)

// Script is how an agent behaves. The zero value is one whose program runs until it is told to stop,
// and then ends by SIGTERM. A hook that waits must heed the agent's Gone.
type Script struct {
	// Hello is called before the agent introduces itself. If it returns false the agent ends instead,
	// with status 1. [Silent] is one.
	Hello func(*Agent) bool
	// Version is what the agent says that it is of; empty means this one.
	Version string
	// Survives makes an agent that has a workload come back when its link is lost, to whoever serves its
	// socket then; otherwise it ends.
	Survives bool
	// Mute makes an agent that shakes hands and then leaves every request unanswered.
	Mute bool
	// Deploy answers the node's Deploy.
	Deploy func(*Agent, agentlink.Deploy) agentlink.DeployReply
	// Undeploy answers the node's Undeploy. The program has ended when it returns.
	Undeploy func(*Agent, agentlink.Undeploy) agentlink.Exited
	// Trigger takes a call; without it the payload is echoed. It must not block.
	Trigger func(a *Agent, t agentlink.Trigger, answer func(agentlink.Answer))
}

// Terminated is how a program ends that is told to.
var Terminated = nex.Exit{Code: -1, Signal: "SIGTERM"}

// failed is how an agent ends that cannot do its work.
var failed = nex.Exit{Code: 1}

// Silent is a Hello of an agent that hangs and never introduces itself.
func Silent(a *Agent) bool {
	<-a.Gone()
	return false
}

// Agent is an agent that is being played. It is safe for concurrent use.
type Agent struct {
	ID     string
	fleet  *Fleet
	script Script
	ctx    context.Context // ends with the agent
	exits  chan nex.Exit   // of the program; has room for one
	deaths chan nex.Exit   // of the agent; has room for one

	mu       sync.Mutex
	conn     *agentlink.Conn // the last one; nil before there is a link
	held     *agentlink.Held // set when there is a workload
	function bool            // it is one
	heard    uint64          // what the node has heard of the log
}

// Gone is closed when the agent ends, or its sandbox does. Nothing reaches the node then.
func (a *Agent) Gone() <-chan struct{} { return a.ctx.Done() }

// Logs sends log records as lines of the program.
func (a *Agent) Logs(records ...nex.LogRecord) error { return a.link().Logs(records) }

// History sends log records as such that an earlier node process has heard.
func (a *Agent) History(records ...nex.LogRecord) error { return a.link().History(records) }

// Heard is the Seq up to which the node has heard log records.
func (a *Agent) Heard() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.heard
}

// Print sends a line that the program prints on its standard output.
func (a *Agent) Print(line string) error {
	return a.Logs(nex.LogRecord{Text: line, Stream: nex.StreamStdout, Time: time.Now().UTC()})
}

// Exit ends the program. The agent tells the node and ends then. Only the first end counts.
func (a *Agent) Exit(exit nex.Exit) {
	select {
	case a.exits <- exit:
	default:
	}
}

// Report tells the node that the program has ended, but does not end the agent.
func (a *Agent) Report(exit nex.Exit) error { return a.link().Exited(a.ctx, exit) }

// Die ends the agent, without a word to the node.
func (a *Agent) Die(exit nex.Exit) {
	select {
	case a.deaths <- exit:
	default:
	}
}

// SendCompiled gives the node compiled code.
func (a *Agent) SendCompiled(compiled []byte) error { return a.link().SendCompiled(a.ctx, compiled) }

// play is the agent's life, in a sandbox that ends with ctx.
func (a *Agent) play(ctx context.Context, bootstrap agentlink.Bootstrap) nex.Exit {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a.ctx = ctx
	if a.script.Hello != nil && !a.script.Hello(a) {
		return failed
	}
	conn, err := agentlink.Dial(bootstrap)
	if err != nil {
		return failed
	}
	a.use(conn)
	defer func() {
		a.link().Close()
		cancel()
		a.link().Settle() // no hook outlives its agent
	}()
	silence, err := a.serve(bootstrap)
	if err != nil {
		return failed
	}
	defer silence()
	if _, err = conn.Handshake(a.ctx, a.hello(nil)); err != nil {
		return failed
	}
	return a.attend(bootstrap)
}

func (a *Agent) hello(held *agentlink.Held) agentlink.Handshake {
	return agentlink.Handshake{
		AgentID: a.ID, Version: cmp.Or(a.script.Version, nex.Version), OS: runtime.GOOS, Arch: runtime.GOARCH, Types: []nex.WorkloadType{nex.TypeNative},
		Held: held,
	}
}

func (a *Agent) link() *agentlink.Conn {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.conn
}

func (a *Agent) use(conn *agentlink.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.conn = conn
}

// attend waits for the end.
func (a *Agent) attend(b agentlink.Bootstrap) nex.Exit {
	for {
		select {
		case <-a.ctx.Done():
			return failed
		case <-a.link().Lost():
			if end := a.comeBack(b); end != nil {
				return *end
			}
		case exit := <-a.deaths:
			return exit
		case exit := <-a.exits:
			return a.tell(b, exit)
		}
	}
}

// tell tells the node that the program has ended.
func (a *Agent) tell(b agentlink.Bootstrap, exit nex.Exit) nex.Exit {
	a.mu.Lock()
	if a.held != nil {
		a.held.Exit = &exit
	}
	a.mu.Unlock()
	for {
		a.link().Settle()
		if a.link().Exited(a.ctx, exit) == nil {
			return nex.Exit{}
		}
		if end := a.comeBack(b); end != nil {
			return *end
		}
	}
}

// tryAgain is the pause between two attempts to come back.
const tryAgain = 5 * time.Millisecond

// comeBack links the agent with whoever serves its socket, or says how the agent ends instead.
func (a *Agent) comeBack(b agentlink.Bootstrap) (end *nex.Exit) {
	for a.script.Survives && a.holding() != nil {
		a.link().Close()
		if a.attach(b) == nil {
			return nil
		}
		timer := time.NewTimer(tryAgain)
		select {
		case <-timer.C:
		case exit := <-a.deaths:
			timer.Stop()
			return &exit
		case <-a.ctx.Done():
			timer.Stop()
			return &failed
		}
	}
	return &failed
}

// holding is what a node is told of the workload.
func (a *Agent) holding() *agentlink.Held {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.held == nil {
		return nil
	}
	held := *a.held
	return &held
}

func (a *Agent) isFunction() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.function
}

func (a *Agent) attach(b agentlink.Bootstrap) error {
	conn, err := agentlink.Redial(a.ctx, b)
	if err != nil {
		return err
	}
	if err = conn.Serve(handler{a}); err == nil && a.isFunction() {
		err = conn.OpenCalls(handler{a})
	}
	if err == nil {
		_, err = conn.Handshake(a.ctx, a.hello(a.holding()))
	}
	if err != nil {
		conn.Close()
		return err
	}
	a.use(conn)
	return nil
}
