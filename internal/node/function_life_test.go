package node_test

import (
	"bytes"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/natstest"
	"github.com/nex-engine/nex/internal/nextest"
)

const endless = `() => { console.log("begun"); for (;;); }`

// TestStopOfWhatNeverEnds shows that a stop ends calls that would not end by themselves, after the grace
// period, and that who waits for them is told.
func TestStopOfWhatNeverEnds(t *testing.T) {
	t.Parallel()
	r := start(t, patient, func(s *setup) { s.Functions.MaxConcurrency = 1 })
	for name, d := range map[string]struct {
		kind    nex.WorkloadType
		content []byte
	}{"js": {nex.TypeV8, []byte(endless)}, "wasm": {nex.TypeWasm, wasmLoop}} {
		t.Run(name, func(t *testing.T) {
			in := r.on(t)
			d := in.function(d.kind, name, "endless", d.content)
			id := in.deploy(d)
			answers := in.sendCalls("endless", 3)
			in.await(id, "a call runs", func(m nex.MachineInfo) bool { return m.Calls.InFlight == 3 })
			in.undeployWithin(d, id, 50*time.Millisecond)
			for range 3 {
				in.failed(in.next(answers), 503, "stop")
			}
			in.unharmed()
		})
	}
}

// TestNodeEndsUnderCalls shows that a node which ends leaves nobody waiting.
func TestNodeEndsUnderCalls(t *testing.T) {
	t.Parallel()
	r := start(t, patient)
	id := r.deploy(r.js("gated", "gated", gated))
	g := r.gate()
	answers := r.sendCalls("gated", 1)
	open := g.await()
	ended := make(chan error, 1)
	go func() { ended <- r.stop() }()
	nextest.Await(t, "the function takes no more calls", func() bool { return !r.server.GlobalAccount().SubscriptionInterest("gated") })
	open()
	if m := r.next(answers); string(m.Data) != "hey" {
		t.Errorf("answer of function %s = %q with %v", id, m.Data, m.Header)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestNATSComesBackToFunctions shows that a function answers again after its server was away, with what
// it has stored.
func TestNATSComesBackToFunctions(t *testing.T) {
	t.Parallel()
	var store string
	r := start(t, func(s *setup) { s.nats = func(o *server.Options) { store = o.StoreDir } })
	d := r.js("asking", "ask", asking)
	id := r.deploy(d)
	r.asks(`kv.set("a", "kept"); objectStore.put("b", "too")`, "", "")

	port := r.server.Addr().(*net.TCPAddr).Port
	r.server.Shutdown()
	r.server.WaitForShutdown()
	r.server = natstest.Run(t, func(o *server.Options) { o.Port, o.StoreDir = port, store })

	r.eventuallyGives("ask", `kv.get("a")`, "kept")
	r.eventuallyGives("ask", `objectStore.get("b")`, "too")
	if n := r.restarts(id); n != 0 {
		t.Errorf("the function was restarted %d times", n)
	}
	r.undeploy(d, id)
	r.unharmed()
}

// TestResultsAsLargeAsCanBe shows that results arrive up to the last byte that fits, and that more is
// told.
func TestResultsAsLargeAsCanBe(t *testing.T) {
	t.Parallel()
	r := start(t)
	d := r.js("large", "large", `(subject, payload) => {
		const [size, header] = JSON.parse(new TextDecoder().decode(payload));
		return { data: new Uint8Array(size).fill(120), headers: header ? { large: "h".repeat(header) } : undefined };
	}`)
	id := r.deploy(d)
	const fits = 1 << 20 // what the server takes
	for _, size := range []int{0, 1, 64 << 10, fits} {
		if m := r.call("large", fmt.Sprintf("[%d,0]", size)); !bytes.Equal(m.Data, bytes.Repeat([]byte{'x'}, size)) {
			t.Errorf("a result of %d bytes arrives with %d: %v", size, len(m.Data), m.Header)
		}
	}
	r.fails("large", fmt.Sprintf("[%d,0]", fits+1), 413, strconv.Itoa(fits+1))
	r.fails("large", fmt.Sprintf("[%d,%d]", fits, 8<<10), 413, "result")
	echo := r.js("echo", "echo", echoSource)
	echoID := r.deploy(echo)
	payload := strings.Repeat("p", fits)
	r.gives("echo", payload, payload)
	header := strings.Repeat("h", 60<<10) // near what a server takes
	m, err := r.nc.RequestMsg(&nats.Msg{Subject: "echo", Header: nats.Header{"Large": {header}}, Data: []byte("hey")}, inTime)
	if err != nil || string(m.Data) != "hey" {
		t.Errorf("answer to a message with large headers = %v, %v", m, err)
	}
	r.undeploy(d, id)
	r.undeploy(echo, echoID)
	r.unharmed()
}

// TestFunctionThatCallsItself lets calls cause ever more calls. What is too much is refused; the function
// can be stopped, and others do not notice.
func TestFunctionThatCallsItself(t *testing.T) {
	t.Parallel()
	r := start(t, func(s *setup) {
		s.Functions.MaxConcurrency, s.Functions.QueueSize = 2, 8
		s.HostServices.Services.Messaging.Config.RequestTimeoutMs = 100
	})
	r.neighbour()
	d := r.js("waits", "waits", `(subject, payload) => hostServices.messaging.request(subject, payload)`)
	id := r.deploy(d)
	r.fails("waits", "", 500, "no answer on")
	r.gives("neighbour.echo", "hey", "hey")
	r.undeploy(d, id)

	d = r.js("bomb", "bomb", `(subject, payload) => {
		for (let i = 0; i < 3; i++) hostServices.messaging.publish(subject, "again");
	}`)
	id = r.deploy(d)
	if err := r.nc.Publish("bomb", nil); err != nil {
		t.Fatal(err)
	}
	r.await(id, "calls are refused", func(m nex.MachineInfo) bool { return m.Calls.Refused > 100 && m.Calls.Total > 1000 })
	r.answering()
	r.undeploy(d, id)
	r.unharmed()
}

// TestFunctionThatFloodsItsLog shows that a flood of lines ends with the call that prints them.
func TestFunctionThatFloodsItsLog(t *testing.T) {
	t.Parallel()
	r := start(t, func(s *setup) { s.Functions.CallTimeoutMs, s.Functions.MaxConcurrency = 200, 1 })
	r.neighbour()
	d := r.js("flood", "flood", `(subject, payload) => { while (payload.length) console.log("x".repeat(1000)); }`)
	id := r.deploy(d)
	answers := r.sendCalls("flood", 1)
	r.answering()
	r.failed(r.next(answers), 408, "deadline")
	r.gives("flood", "", "")
	r.awaitLine(id, "xxx")
	if n := r.restarts(id); n != 0 {
		t.Errorf("the function was restarted %d times", n)
	}
	r.undeploy(d, id)
	r.unharmed()
}

// TestSlowCallsDoNotHoldOthersUp shows that calls run beside each other, and that one function's waiting
// is not another's.
func TestSlowCallsDoNotHoldOthersUp(t *testing.T) {
	t.Parallel()
	r := start(t, patient, func(s *setup) { s.Functions.MaxConcurrency = 4 })
	r.neighbour()
	d := r.js("gated", "gated", gated)
	id := r.deploy(d)
	g := r.gate()
	answers := make([]*nats.Subscription, 4)
	open := make([]func(), 4)
	for i := range answers {
		answers[i] = r.sendCalls("gated", 1)
		open[i] = g.await()
	}
	r.answering()
	for i := range answers {
		open[3-i]()
		if m := r.next(answers[3-i]); string(m.Data) != "hey" {
			t.Errorf("answer = %q with %v", m.Data, m.Header)
		}
	}
	r.undeploy(d, id)
	r.unharmed()
}
