//go:build linux && cgo && (amd64 || arm64)

package agent_test

import (
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/function"
	"github.com/nex-engine/nex/internal/hostapi"
)

// awaits is a function whose calls last until the node answers their request.
const awaits = `async (subject, payload) => { await hostServices.promises.kv.get('key'); return payload; }`

// No more calls are taken than may run and wait, and the rest is refused at once.
func TestFunctionQueue(t *testing.T) {
	t.Parallel()
	n := startFunction(t, awaits, func(d *agentlink.Deploy) { d.Function.Concurrency, d.Function.Queue = 2, 3 })
	var running, waiting []calling
	for i := range 2 {
		running = append(running, n.call(fmt.Sprint(i)))
		n.awaitRequests(i + 1)
	}
	for i := range 3 {
		waiting = append(waiting, n.call(fmt.Sprint(i%2)))
	}
	for range 4 {
		n.call("one too many").want(function.StatusUnavailable, "too many calls waiting")
	}
	n.answerAll(0, 5)
	for i, c := range append(running, waiting...) {
		c.want(0, fmt.Sprint(i%2))
	}
	// There is room for as many again.
	again := make([]calling, 5)
	for i := range again {
		again[i] = n.call("again")
	}
	n.answerAll(5, 10)
	for _, c := range again {
		c.want(0, "again")
	}
}

// answerAll answers the host service requests from the one number to the other, as they come.
func (n *node) answerAll(from, to int) {
	n.t.Helper()
	for i := from; i < to; i++ {
		n.answerHost(n.awaitRequests(i + 1)[i], hostapi.Response{}, nil)
	}
}

// As soon as a call is answered there is room for another.
func TestFunctionQueueHasRoomWithTheAnswer(t *testing.T) {
	t.Parallel()
	n := startFunction(t, `() => 'well'`, func(d *agentlink.Deploy) { d.Function.Queue = 0 })
	for range 500 {
		n.call("").want(0, "well")
	}
}

func TestFunctionDeadline(t *testing.T) {
	t.Parallel()
	n := startFunction(t, `(subject, payload) => { if (subject === 'endless') for (;;); return payload; }`)
	for range 3 {
		endless := n.trigger(agentlink.Trigger{Subject: "endless", Timeout: 200 * time.Millisecond})
		late := n.trigger(agentlink.Trigger{Timeout: 10 * time.Millisecond, Payload: []byte("late")})
		endless.want(function.StatusTimeout, "deadline")
		late.want(function.StatusTimeout, "did not start before its deadline")
		n.call("next").want(0, "next")
	}
	n.trigger(agentlink.Trigger{}).want(function.StatusTimeout, "did not start")
	n.trigger(agentlink.Trigger{Timeout: 1<<63 - 1, Payload: []byte("for ever")}).want(0, "for ever")
}

// Undeploy lets calls end that were taken, those that wait included, and takes no more.
func TestUndeployFunction(t *testing.T) {
	t.Parallel()
	n := startFunction(t, awaits)
	running := n.call("running")
	n.awaitRequests(1)
	waiting := n.call("waiting")
	n.awaitFull()
	exit := n.goUndeploy(patience)
	n.awaitRefusal()
	n.answerHost(n.awaitRequests(1)[0], hostapi.Response{}, nil)
	n.answerHost(n.awaitRequests(2)[1], hostapi.Response{}, nil)
	running.want(0, "running")
	waiting.want(0, "waiting")
	if e := <-exit; !e.Success() {
		t.Errorf("exit = %+v, want success", e)
	}
	n.awaitExit()
}

// Without grace, or when it is over, calls end and are answered.
func TestUndeployFunctionNow(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"awaits":  awaits,
		"endless": `() => { hostServices.kv.get('key'); for (;;); }`,
	} {
		for _, grace := range []time.Duration{0, 50 * time.Millisecond} {
			t.Run(fmt.Sprint(name, " ", grace), func(t *testing.T) {
				t.Parallel()
				n := startFunction(t, script)
				running := n.call("running")
				r := n.awaitRequests(1)[0]
				if name == "endless" {
					n.answerHost(r, hostapi.Response{}, nil)
				}
				waiting := n.call("waiting")
				n.awaitFull()
				exit := n.goUndeploy(grace)
				running.want(function.StatusUnavailable, "stopped")
				waiting.want(function.StatusUnavailable, "stopped")
				if e := <-exit; !e.Success() {
					t.Errorf("exit = %+v, want success", e)
				}
				n.awaitExit()
			})
		}
	}
}

// Of two stops the shorter grace period counts.
func TestUndeployFunctionSooner(t *testing.T) {
	t.Parallel()
	n := startFunction(t, awaits)
	running := n.call("running")
	n.awaitRequests(1)
	waiting := n.call("waiting")
	n.awaitFull()
	first := n.goUndeploy(10 * patience)
	n.awaitRefusal()
	second := n.goUndeploy(0)
	running.want(function.StatusUnavailable, "stopped")
	waiting.want(function.StatusUnavailable, "stopped")
	<-first
	<-second
	n.awaitExit()
}

// The agent of a function ends when its node does not come back in time, whatever the function does.
func TestFunctionOrphaned(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"idle":    `() => 1`,
		"awaits":  awaits,
		"endless": `() => { console.log('begun'); for (;;); }`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := startAgent(t, func(n *node, _ *exec.Cmd) { n.orphanTimeout = 100 * time.Millisecond })
			n.load(n.function(nex.TypeV8, []byte(script)))
			switch name {
			case "awaits":
				n.call("")
				n.awaitRequests(1)
			case "endless":
				n.call("")
				n.awaitLine("begun")
			}
			start := time.Now()
			n.server.Shutdown()
			n.awaitEnd(1)
			if d := time.Since(start); d > patience/4 {
				t.Errorf("the agent ended after %v, want soon", d)
			}
		})
	}
}

// goUndeploy undeploys in a goroutine.
func (n *node) goUndeploy(grace time.Duration) <-chan nex.Exit {
	c := make(chan nex.Exit, 1)
	go func() {
		m, err := n.nc.Request(agentlink.UndeploySubject(n.id), agentlink.Encode(agentlink.Undeploy{Grace: grace}), patience/2)
		if err != nil {
			n.t.Errorf("undeploy: %v", err)
			m = &nats.Msg{}
		}
		exited, _ := agentlink.Decode[agentlink.Exited](m.Data)
		c <- exited.Exit
	}()
	return c
}

// awaitFull returns when all that may wait is waiting, which was called before.
func (n *node) awaitFull() {
	n.t.Helper()
	n.call("one too many").want(function.StatusUnavailable, "too many calls waiting")
}

// awaitRefusal returns when the function takes no more calls. As many as may wait are waiting.
func (n *node) awaitRefusal() {
	n.t.Helper()
	for n.trigger(agentlink.Trigger{Timeout: patience}).answer().Message != "the function is stopping" {
	}
}
