package trigger_test

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/natstest"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/trigger"
)

// agentFunc is an Agent.
type agentFunc func(t agentlink.Trigger, done func(agentlink.Answer))

func (f agentFunc) Call(t agentlink.Trigger, done func(agentlink.Answer)) { f(t, done) }

// echo is an agent whose function returns its payload and headers.
var echo = agentFunc(func(t agentlink.Trigger, done func(agentlink.Answer)) {
	done(agentlink.Answer{Header: t.Header, Payload: append([]byte(nil), t.Payload...)})
})

// holder is an agent that answers when the test says so.
type holder struct{ calls chan func(agentlink.Answer) }

func newHolder() *holder { return &holder{calls: make(chan func(agentlink.Answer), 1000)} }

func (h *holder) Call(_ agentlink.Trigger, done func(agentlink.Answer)) { h.calls <- done }

// events remembers what is published.
type events struct {
	mu   sync.Mutex
	list []event
}

type event struct {
	namespace string
	eventType nex.EventType
	nex.FunctionExecuted
}

func (e *events) Event(namespace string, t nex.EventType, data any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, event{namespace, t, data.(nex.FunctionExecuted)})
}

func (e *events) all() []event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]event(nil), e.list...)
}

// rig is a NATS server, the connection of a node with its services, and one of a client.
type rig struct {
	server   *server.Server
	node     *nats.Conn
	client   *nats.Conn
	services *trigger.Services
	events   *events
}

func newRig(t testing.TB) *rig {
	t.Helper()
	s := natstest.Run(t)
	r := &rig{server: s, node: natstest.Connect(t, s), client: natstest.Connect(t, s), events: &events{}}
	r.services = trigger.NewServices(r.node)
	return r
}

// function is one that is not attached; it is detached and closed when the test ends.
func (r *rig) function(t testing.TB, edit ...func(*trigger.Config)) *trigger.Function {
	t.Helper()
	cfg := trigger.Config{
		Services: r.services, ID: "W1", Name: "echo", Namespace: "default", Description: "says it again", Subjects: []string{"js.echo"},
		Timeout: nextest.Patience, MaxCalls: 100, MaxBytes: 1 << 20, Publisher: r.events, Logger: slog.New(slog.DiscardHandler),
	}
	for _, e := range edit {
		e(&cfg)
	}
	f := trigger.New(cfg)
	t.Cleanup(func() {
		f.Detach(t.Context())
		f.Close()
	})
	return f
}

// attached is a function that an agent runs.
func (r *rig) attached(t testing.TB, a trigger.Agent, edit ...func(*trigger.Config)) *trigger.Function {
	t.Helper()
	f := r.function(t, edit...)
	if err := f.Attach(a, "0123456789abcdef"); err != nil {
		t.Fatal(err)
	}
	return f
}

func (r *rig) request(t testing.TB, subject string, payload string) *nats.Msg {
	t.Helper()
	m, err := r.client.Request(subject, []byte(payload), nextest.Patience)
	if err != nil {
		t.Fatalf("request on %s: %v", subject, err)
	}
	return m
}

// soon is a context for what happens soon.
func soon(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), nextest.Patience)
	t.Cleanup(cancel)
	return ctx
}

// over is a context that has ended.
func over() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), -time.Second)
	cancel()
	return ctx
}

// stallable is a server with the connection of a node to it that can be stalled: then what the node
// sends is not read. The connection of the client goes to the server directly.
func stallable(t testing.TB) (stalled func(bool), node, client *nats.Conn) {
	t.Helper()
	s := natstest.Run(t, func(o *server.Options) { o.MaxPayload = 8 << 20 })
	d := &gate{open: make(chan struct{})}
	close(d.open)
	node = natstest.Connect(t, s, nats.SetCustomDialer(d))
	return d.stall, node, natstest.Connect(t, s)
}

// gate is a dialer whose connections write only while it is open.
type gate struct {
	mu   sync.Mutex
	open chan struct{} // closed while it is open
}

func (g *gate) stall(on bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if on {
		g.open = make(chan struct{})
	} else {
		close(g.open)
	}
}

func (g *gate) wait() {
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	<-open
}

// Dial is that of a nats.CustomDialer.
func (g *gate) Dial(network, address string) (net.Conn, error) {
	c, err := net.Dial(network, address)
	return gated{c, g}, err
}

type gated struct {
	net.Conn
	gate *gate
}

func (c gated) Write(b []byte) (int, error) {
	c.gate.wait()
	return c.Conn.Write(b)
}
