package node_test

import (
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/nextest"
)

// lameduck makes the node a lame duck.
func (r *rig) lameduck(exit nex.ExitAfter) {
	r.Helper()
	if _, err := r.client.LameDuck(r.Context(), r.node.NodeID, exit, r.issuer); err != nil {
		r.Fatalf("lame duck: %v", err)
	}
}

// ended waits until the node has ended by itself.
func (r *rig) ended() {
	r.Helper()
	select {
	case err := <-r.done:
		r.done <- err
		if err != nil {
			r.Errorf("node: %v", err)
		}
	case <-time.After(patience):
		r.Fatal("the node has not ended by itself")
	}
}

// goesOn fails if the node has ended.
func (r *rig) goesOn() {
	r.Helper()
	select {
	case err := <-r.done:
		r.done <- err
		r.Fatalf("the node has ended: %v", err)
	default:
	}
	if _, err := r.client.Ping(r.Context(), r.node.NodeID); err != nil {
		r.Errorf("ping: %v", err)
	}
}

// A lame duck answers the calls that have reached it and takes no others; with an end it goes on until
// they are answered.
func TestLameDuckDrains(t *testing.T) {
	t.Parallel()
	r := start(t)
	g := r.gate()
	r.deploy(r.js("fn", "js.gated", gated))
	answers := r.sendCalls("js.gated", 1)
	open := g.await()
	r.lameduck("")
	nextest.Await(t, "nobody takes calls", func() bool {
		late, err := r.nc.SubscribeSync(r.nc.NewInbox())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = late.Unsubscribe() }()
		if err := r.nc.PublishRequest("js.gated", late.Subject, nil); err != nil {
			t.Fatal(err)
		}
		m, err := late.NextMsg(inTime)
		return err != nil || len(m.Data) == 0 && m.Header.Get("Status") == "503"
	})
	r.lameduck(nex.ExitWhenIdle)
	r.goesOn()
	open()
	if m := r.next(answers); string(m.Data) != "hey" {
		t.Errorf("answer = %q %v", m.Data, m.Header)
	}
	r.ended()
}

// A lame duck does not end while a service runs, unless its time is over.
func TestLameDuckWaitsForServices(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		exit nex.ExitAfter
		end  func(r *rig, id string)
	}{
		"when the service is stopped": {nex.ExitWhenIdle, func(r *rig, id string) { r.undeploy(r.testprog("prog", "wait"), id) }},
		"when the time is over":       {nex.ExitWhenIdle, func(r *rig, _ string) { r.lameduck("10ms") }},
		"before the time is over":     {"1h", func(r *rig, id string) { r.undeploy(r.testprog("prog", "wait"), id) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t)
			id := r.deploy(r.testprog("prog", "wait"))
			r.deploy(r.js("fn", "js.echo", echoSource))
			r.lameduck(test.exit)
			r.lameduck("")
			r.awaitState(id, nex.StateRunning)
			r.goesOn()
			test.end(r, id)
			r.ended()
		})
	}
}
