package node_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/internal/natstest"
)

// asking runs the payload as JavaScript and answers its value, or the code and the sentence of what it
// throws.
const asking = `(subject, payload) => {
	const { kv, objectStore, messaging, http } = this.hostServices;
	try {
		const value = eval(new TextDecoder().decode(payload));
		return value instanceof Uint8Array ? value : String(value);
	} catch (e) {
		return e.code + ": " + e.message;
	}
}`

// asks runs a script in the function on the subject ask, and checks how its answer begins and what
// else is in it.
func (r *rig) asks(script, begin, text string) {
	r.Helper()
	m := r.call("ask", script)
	if got := string(m.Data); !strings.HasPrefix(got, begin) || !strings.Contains(got, text) {
		r.Errorf("%.60q answers %.200q with %v, want %q with %q", script, got, m.Header, begin, text)
	}
}

// patient lets nothing end a call but its answer.
func patient(s *setup) {
	s.Functions.CallTimeoutMs = int(3 * inTime.Milliseconds())
	s.HostServices.Services.Messaging.Config.RequestTimeoutMs = s.Functions.CallTimeoutMs
}

// TestHostServicesRefuse shows that a function is told, in time, what it may not have and why.
func TestHostServicesRefuse(t *testing.T) {
	t.Parallel()
	r := start(t, patient)
	r.neighbour()
	d := r.js("asking", "ask", asking)
	id := r.deploy(d)
	silent, err := r.nc.SubscribeSync("silent")
	if err != nil {
		t.Fatal(err)
	}
	spy, err := r.nc.SubscribeSync("$NEX.DEPLOY.>")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, script, begin, text string }{
		{"key with a star", `kv.set("a.*", "x")`, "invalid: ", `"a.*"`},
		{"key with a rest", `kv.set(">", "x")`, "invalid: ", `">"`},
		{"key with a space", `kv.get("a b")`, "invalid: ", `"a b"`},
		{"empty key", `kv.delete("")`, "invalid: ", "empty"},
		{"key of 10 KiB", `kv.set("k".repeat(10 << 10), "x")`, "invalid: ", "1024"},
		{"key that is not there", `kv.get("nothing")`, "null", ""},
		{"value that is too large", `kv.set("large", new Uint8Array(600 << 10))`, "too_large: ", "large"},
		{"object that is too large", `objectStore.put("large", new Uint8Array(600 << 10))`, "too_large: ", "large"},
		{"object that is not there", `objectStore.get("nothing")`, "null", ""},
		{"empty object name", `objectStore.put("", "x")`, "invalid: ", "name"},
		{"the nodes' subjects", `messaging.publish("$NEX.DEPLOY.default.x", "x")`, "denied: ", "$NEX"},
		{"the system's subjects", `messaging.request("$SYS.REQ.SERVER.PING", "x")`, "denied: ", "$SYS"},
		{"the subjects of JetStream", `messaging.request("$JS.API.STREAM.NAMES", "")`, "denied: ", "$JS"},
		{"another's bucket", `messaging.publish("$KV.other.key", "x")`, "denied: ", "$KV"},
		{"wildcard", `messaging.publish("a.*", "x")`, "invalid: ", "a.*"},
		{"nobody listens", `messaging.request("nobody", "x")`, "no_responders: ", "nobody"},
		{"nobody of many listens", `messaging.requestMany("nobody", "x")`, "", ""},
		{"nobody answers", `messaging.request("silent", "x", { timeout: 100 })`, "timeout: ", "silent"},
		{"no URL", `http.get("nonsense")`, "invalid: ", "only http and https"},
		{"other scheme", `http.get("file:///etc/passwd")`, "invalid: ", "only http and https"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := r.on(t)
			in.asks(c.script, c.begin, c.text)
			in.asks(`"still " + "there"`, "still there", "")
		})
	}
	r.seen(silent, 1)
	r.seen(spy, 0)
	r.answering()
	if n := r.restarts(id); n != 0 {
		t.Errorf("the function was restarted %d times", n)
	}
	r.undeploy(d, id)
	r.unharmed()
}

// TestFunctionReachesNothingOfItsMachine shows that HTTP requests to the node's own machine are
// refused before there is a connection.
func TestFunctionReachesNothingOfItsMachine(t *testing.T) {
	t.Parallel()
	var connections atomic.Int64
	local := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	local.Config.ConnState = func(net.Conn, http.ConnState) { connections.Add(1) }
	local.Start()
	t.Cleanup(local.Close)
	r := start(t)
	d := r.js("asking", "ask", asking)
	id := r.deploy(d)
	port := local.Listener.Addr().(*net.TCPAddr).Port
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"} {
		r.asks(fmt.Sprintf(`http.get("http://%s:%d/").status`, host, port), "denied: ", "")
	}
	if n := connections.Load(); n > 0 {
		t.Errorf("the server on this machine has seen %d connections", n)
	}
	r.undeploy(d, id)
	r.unharmed()
}

// TestBucketsAreApart shows that of two namespaces neither sees the other's keys, and that a bucket
// outlives its function.
func TestBucketsAreApart(t *testing.T) {
	t.Parallel()
	r := start(t)
	d := r.js("asking", "ask", asking)
	id := r.deploy(d)
	r.asks(`kv.set("a", "of default"); kv.keys()`, "a", "")
	r.undeploy(d, id)

	other := d
	other.Triggers = []string{"other"}
	sample := r.inNamespace("sample")
	answer, err := sample.Deploy(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	id = r.deploy(d)
	r.eventuallyGives("other", `JSON.stringify(kv.keys()) + JSON.stringify(objectStore.list())`, "[][]")
	r.asks(`kv.get("a")`, "of default", "")
	r.undeploy(d, id)
	if _, err := sample.Stop(t.Context(), r.stopping(other, answer.ID)); err != nil {
		t.Fatal(err)
	}
	r.unharmed()
}

// TestHostServicesElsewhere shows that a function's host services may have a connection of their own.
func TestHostServicesElsewhere(t *testing.T) {
	t.Parallel()
	second := newSecond(t)
	nc := second.connect(nats.MaxReconnects(-1), nats.ReconnectWait(reconnectWait))
	r := start(t)
	d := r.js("asking", "ask", asking)
	id := r.deployWith(d, second.hostServices)
	sub, err := nc.SubscribeSync("from.function")
	if err != nil {
		t.Fatal(err)
	}
	natstest.Connect(t, r.server) // who is on the first hears nothing
	r.asks(`messaging.publish("from.function", "hey"); kv.set("a", "b")`, "undefined", "")
	if m, err := sub.NextMsg(patience); err != nil || string(m.Data) != "hey" {
		t.Errorf("message = %v, %v", m, err)
	}
	if streams := r.streams(); len(streams) > 0 {
		t.Errorf("the node's own server has the streams %q", streams)
	}
	r.undeploy(d, id)
	r.unharmed()
}

// TestHostServicesWithoutJetStream shows that a function is told why it has no buckets.
func TestHostServicesWithoutJetStream(t *testing.T) {
	t.Parallel()
	r := start(t, patient, func(s *setup) { s.nats = func(o *server.Options) { o.JetStream = false } })
	d := r.js("asking", "ask", asking)
	id := r.deploy(d)
	for _, script := range []string{`kv.get("a")`, `kv.set("a", "b")`, `kv.keys()`, `objectStore.list()`, `objectStore.put("a", "b")`} {
		r.asks(script, "unavailable: ", "JetStream")
	}
	r.undeploy(d, id)
	r.unharmed()
}
