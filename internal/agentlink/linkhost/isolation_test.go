package linkhost_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/agentlink/linktest"
	"github.com/nex-engine/nex/internal/nextest"
)

// connect connects as an agent does that keeps to nothing. It returns what the server says to that.
func connect(t testing.TB, b agentlink.Bootstrap) (*nats.Conn, func() string) {
	t.Helper()
	var mu sync.Mutex
	var said string
	nc, err := linktest.Connect(b, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		mu.Lock()
		defer mu.Unlock()
		said += err.Error() + "\n"
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc, func() string {
		mu.Lock()
		defer mu.Unlock()
		return said
	}
}

func TestAgentMayUseItsOwnSubjectsOnly(t *testing.T) {
	t.Parallel()
	h := linktest.StartHost(t)
	_, a := admit(t, h, "A")
	_, b := admit(t, h, "B")
	_ = b

	for _, subject := range []string{
		">", "*", "*.>", "$SYS.>", "$SYS.REQ.SERVER.PING", "_INBOX.>", "_INBOX.*", "_INBOX.B.>", "_INBOX.A", "_R_.>",
		"hostint.>", "hostint.A.>", "hostint.A.logs", "hostint.*.logs", "hostint.B.>",
		"agentint.>", "agentint.*.deploy", "agentint.B.>", "agentint.B.deploy", "agentint.A", "agentint.AB.deploy",
	} {
		t.Run("subscribe "+subject, func(t *testing.T) {
			t.Parallel()
			nc, said := connect(t, a)
			if _, err := nc.Subscribe(subject, func(*nats.Msg) {}); err != nil {
				t.Fatal(err)
			}
			nextest.Await(t, "the server refuses", func() bool {
				return strings.Contains(said(), `Permissions Violation for Subscription to "`+subject+`"`)
			})
		})
	}
	for _, subject := range []string{
		"$SYS.REQ.SERVER.PING", "$JS.API.INFO", "_INBOX.A.x", "_INBOX.B.x", "x",
		"hostint.B.logs", "hostint.B.handshake", "hostint.A", "hostint.AB.logs", "agentint.A.deploy", "agentint.B.undeploy",
	} {
		t.Run("publish "+subject, func(t *testing.T) {
			t.Parallel()
			nc, said := connect(t, a)
			if err := nc.Publish(subject, []byte("x")); err != nil {
				t.Fatal(err)
			}
			nextest.Await(t, "the server refuses", func() bool {
				return strings.Contains(said(), `Permissions Violation for Publish to "`+subject+`"`)
			})
		})
	}
}

// TestAgentsAreInAccountsOfTheirOwn shows that permissions are not all that keeps agents apart.
func TestAgentsAreInAccountsOfTheirOwn(t *testing.T) {
	t.Parallel()
	h := linktest.StartHost(t)
	// Two agents of the same id have the same permissions.
	linkA, a := admit(t, h, "A")
	twin := a
	var err error
	if twin.Seed, err = h.AdmitTwin("A"); err != nil {
		t.Fatal(err)
	}
	nc, _ := connect(t, twin)
	heard := make(chan *nats.Msg, 8)
	if _, err := nc.ChanSubscribe(agentlink.AgentSubjects("A"), heard); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	agent, err := agentlink.Dial(a)
	if err != nil {
		t.Fatal(err)
	}
	defer agent.Close()
	if err := agent.Serve(&handler{}); err != nil {
		t.Fatal(err)
	}
	// A's handshake is behind its subscriptions.
	if _, err := agent.Handshake(t.Context(), agentlink.Handshake{AgentID: "A"}); err != nil {
		t.Fatal(err)
	}
	if err := linkA.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if len(heard) > 0 {
		t.Errorf("another agent heard %s", (<-heard).Subject)
	}
}

func TestResponsePermissionAllowsOneAnswer(t *testing.T) {
	t.Parallel()
	h := linktest.StartHost(t)
	link, b := admit(t, h, "A")
	nc, said := connect(t, b)
	ping, err := nc.SubscribeSync(agentlink.PingSubject("A"))
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	pinged := make(chan error, 1)
	go func() { pinged <- link.Ping(t.Context()) }()
	m, err := ping.NextMsg(nextest.Patience)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := m.Respond(nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-pinged; err != nil {
		t.Errorf("the first answer did not arrive: %v", err)
	}
	nextest.Await(t, "the server refuses the second answer", func() bool {
		return strings.Contains(said(), `Permissions Violation for Publish to "`+m.Reply+`"`)
	})
}

func TestWhoIsNotAdmittedIsRefused(t *testing.T) {
	t.Parallel()
	h := linktest.StartHost(t)
	_, b := admit(t, h, "A")
	own, err := nkeys.FromSeed([]byte(b.Seed))
	if err != nil {
		t.Fatal(err)
	}
	other, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public := func(k nkeys.KeyPair) string {
		p, err := k.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	tests := []struct {
		name string
		opt  nats.Option
		ok   bool
	}{
		{"the agent", nats.Nkey(public(own), own.Sign), true},
		{"no credentials", nats.Name("x"), false},
		{"user and password", nats.UserInfo("A", "node"), false},
		{"token", nats.Token(b.Seed), false},
		{"unknown key", nats.Nkey(public(other), other.Sign), false},
		{"the agent's key, another's signature", nats.Nkey(public(own), other.Sign), false},
		{"the agent's key, another nonce signed", nats.Nkey(public(own), func([]byte) ([]byte, error) { return own.Sign([]byte("nonce")) }), false},
		{"the agent's key, no signature", nats.Nkey(public(own), func([]byte) ([]byte, error) { return nil, nil }), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			nc, err := nats.Connect(b.URL, tt.opt, nats.NoReconnect())
			if err == nil {
				nc.Close()
			}
			switch {
			case tt.ok && err != nil:
				t.Errorf("refused: %v", err)
			case !tt.ok && (err == nil || !strings.Contains(err.Error(), "Authorization Violation")):
				t.Errorf("error = %v, want an authorization violation", err)
			}
		})
	}
}

func TestCloseCutsTheAgentOff(t *testing.T) {
	t.Parallel()
	h := linktest.StartHost(t)
	link, b := admit(t, h, "A")
	agent, err := agentlink.Dial(b)
	if err != nil {
		t.Fatal(err)
	}
	defer agent.Close()
	raw, _ := connect(t, b)

	link.Close()
	link.Close()
	nextest.Await(t, "the agent is cut off", raw.IsClosed)
	nextest.Await(t, "no connection is left", func() bool { return h.Server().NumClients() == 0 })
	select {
	case <-agent.Lost():
	case <-time.After(nextest.Patience):
		t.Error("the agent's link is not lost")
	}
	if c, err := agentlink.Dial(b); err == nil {
		c.Close()
		t.Error("a key was accepted after its link was closed")
	}
	if err := link.Ping(t.Context()); err == nil {
		t.Error("an agent answers on a closed link")
	}
}

// TestCloseWhileTheAgentConnects looks for a connection that slips through between the check of a key
// and its end.
func TestCloseWhileTheAgentConnects(t *testing.T) {
	t.Parallel()
	h := linktest.StartHost(t)
	for range 100 {
		link, err := h.Admit("A")
		if err != nil {
			t.Fatal(err)
		}
		b, err := agentlink.Decode[agentlink.Bootstrap](link.Bootstrap("", true))
		if err != nil {
			t.Fatal(err)
		}
		connected := make(chan *nats.Conn)
		go func() {
			nc, _ := linktest.Connect(b)
			connected <- nc
		}()
		link.Close()
		if nc := <-connected; nc != nil {
			nextest.Await(t, "the agent is cut off", nc.IsClosed)
		}
	}
}

func TestAgentCannotOpenAnyNumberOfConnections(t *testing.T) {
	t.Parallel()
	h := linktest.StartHost(t)
	link, b := admit(t, h, "A")
	opened := 0
	for range 50 {
		nc, err := linktest.Connect(b)
		if err != nil {
			break
		}
		defer nc.Close()
		opened++
	}
	if opened < 2 || opened > 8 {
		t.Errorf("the agent opened %d connections, want a few", opened)
	}
	if err := link.CatchUp(t.Context()); err != nil {
		t.Errorf("the node's connection is gone: %v", err)
	}
}

// handler is an agent that does what it is told.
type handler struct {
	deploy   func(agentlink.Deploy) agentlink.DeployReply
	undeploy func(agentlink.Undeploy) agentlink.Exited
	trigger  func(agentlink.Trigger, func(agentlink.Answer))
	heard    func(uint64)
}

func (h *handler) LogsHeard(l agentlink.LogsHeard) {
	if h.heard != nil {
		h.heard(l.Seq)
	}
}

func (h *handler) Deploy(d agentlink.Deploy) agentlink.DeployReply {
	if h.deploy == nil {
		return agentlink.DeployReply{PID: 1}
	}
	return h.deploy(d)
}

func (h *handler) Undeploy(u agentlink.Undeploy) agentlink.Exited {
	if h.undeploy == nil {
		return agentlink.Exited{Exit: nex.Exit{Code: -1, Signal: "SIGTERM"}}
	}
	return h.undeploy(u)
}

func (h *handler) Trigger(t agentlink.Trigger, answer func(agentlink.Answer)) {
	if h.trigger != nil {
		h.trigger(t, answer)
		return
	}
	answer(agentlink.Answer{Header: t.Header, Payload: t.Payload})
}
