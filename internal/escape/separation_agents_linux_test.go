package escape_test

import (
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/agentlink/linkhost"
	"github.com/nex-engine/nex/internal/keyfile"
	"github.com/nex-engine/nex/internal/nextest"
)

// atInternal are the attempts at an internal server, and at so many sockets.
func atInternal(sockets int) []string {
	list := []string{
		"publish without a word of who one is", "name the account agent-1", "name the account $SYS", "monitor", "connect by WebSocket",
		"connect as a leaf node", "connect as another server of a cluster",
	}
	list = append(list, verb("connect", claimed...)...)
	for i := range sockets {
		for _, what := range []string{"its NATS without the token", "its calls without the token", "its compiled code without the token", "speak NATS at once"} {
			list = append(list, fmt.Sprintf("socket %d, %s", i, what))
		}
	}
	return list
}

// sockets are those of the node's agents.
func (r *rig) sockets(t *testing.T) []string {
	t.Helper()
	var list []string
	must(t, filepath.WalkDir(r.up.Ready.DataDir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type()&fs.ModeSocket != 0 && d.Name() == agentlink.SocketName {
			list = append(list, path)
		}
		return nil // what ends meanwhile is none
	}))
	return list
}

// newAgent is the id of the node's one agent that is not known.
func (r *rig) newAgent(t *testing.T, known ...string) string {
	t.Helper()
	var ids []string
	for _, socket := range r.sockets(t) {
		if id := filepath.Base(filepath.Dir(socket)); !slices.Contains(known, id) {
			ids = append(ids, id)
		}
	}
	if len(ids) != 1 {
		t.Fatalf("the agents %q are new, want one", ids)
	}
	return ids[0]
}

// bootstrap is what the node has told an agent, its keys among it. They are made of the node's own, so another
// host with the same secret makes the same ones.
func (r *rig) bootstrap(t *testing.T, agent string) agentlink.Bootstrap {
	t.Helper()
	pair, _, err := keyfile.LoadOrCreate(filepath.Join(r.up.Ready.DataDir, "node.nk"), keyfile.Server)
	must(t, err)
	seed, err := pair.Seed()
	must(t, err)
	secret, err := hkdf.Key(sha256.New, seed, nil, "nex agent link", sha256.Size)
	must(t, err)
	host, err := linkhost.Start(linkhost.Config{Secret: secret, Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	defer host.Close()
	link, err := host.Admit(agent)
	must(t, err)
	b, err := agentlink.Decode[agentlink.Bootstrap](link.Bootstrap("", true))
	must(t, err)
	b.URL = "nats://127.0.0.1:" + r.internalPort(t)
	b.LinkDir = ""
	for _, socket := range r.sockets(t) {
		if filepath.Base(filepath.Dir(socket)) == agent {
			b.LinkDir = filepath.Dir(socket)
		}
	}
	if b.LinkDir == "" {
		t.Fatalf("there is no socket of agent %s among %q", agent, r.sockets(t))
	}
	return b
}

// agentKey is an agent's public key.
func (r *rig) agentKey(t *testing.T, agent string) string {
	t.Helper()
	pair, err := nkeys.FromSeed([]byte(r.bootstrap(t, agent).Seed))
	must(t, err)
	public, err := pair.PublicKey()
	must(t, err)
	return public
}

// onThisMachine is somebody who has no keys, but can connect to everything that listens on loopback.
func (s *separation) onThisMachine(t *testing.T) {
	for _, at := range []*site{s.first, s.second} {
		sockets := at.sockets(t)
		args := append([]string{"internal", "nats://127.0.0.1:" + at.internalPort(t), at.agentKey(t, at.agents[0])}, sockets...)
		from := "somebody on this machine, at the node of level " + at.up.Ready.Sandbox
		s.ledger.refused(t, from, atInternal(len(sockets)), onHost(t, args...))
	}
}

// member is a connection that keeps what the server says of it.
type member struct {
	*nats.Conn
	mu   sync.Mutex
	said []string
}

// admitted connects, with an option that keeps what the server says.
func admitted(t *testing.T, connect func(nats.Option) (*nats.Conn, error)) *member {
	t.Helper()
	m := &member{}
	var err error
	m.Conn, err = connect(nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.said = append(m.said, err.Error())
	}))
	must(t, err)
	t.Cleanup(m.Close)
	return m
}

// try makes an attempt that the server is to refuse for want of permissions, and returns how it did.
func (m *member) try(t *testing.T, attempt string) string {
	t.Helper()
	verb, subject, _ := strings.Cut(attempt, " ")
	var err error
	said := fmt.Sprintf("Permissions Violation for Subscription to %q", subject)
	switch verb {
	case "subscribe":
		_, err = m.SubscribeSync(subject)
	case "queue":
		said += ` using queue "q"`
		_, err = m.QueueSubscribeSync(subject, "q")
	default:
		said = fmt.Sprintf("Permissions Violation for Publish to %q", subject)
		err = m.Publish(subject, []byte("{}"))
	}
	must(t, err, m.FlushTimeout(nextest.Patience))
	if !nextest.Poll(func() bool { return m.wasTold(said) }) {
		t.Errorf("ESCAPED: %s", attempt)
	}
	return attempt + ": " + said
}

// wasTold reports whether the server has said so, which comes to light a little later.
func (m *member) wasTold(what string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(m.said, func(line string) bool { return strings.HasSuffix(strings.TrimSpace(line), what) })
}

// agents are two of a node, of which one attacks the other with its own key and token.
func (s *separation) agents(t *testing.T) {
	for _, at := range []*site{s.first, s.second} {
		from := "an agent with its own key, at the node of level " + at.up.Ready.Sandbox
		a, b := at.agents[0], at.agents[1]
		own, others := at.bootstrap(t, a), at.bootstrap(t, b)
		intruder := admitted(t, func(o nats.Option) (*nats.Conn, error) { return linked(own, o) })
		victim := admitted(t, func(o nats.Option) (*nats.Conn, error) { return linked(others, o) })
		heard, err := victim.SubscribeSync(agentlink.AgentSubjects(b))
		must(t, err, victim.FlushTimeout(nextest.Patience))
		for _, attempt := range naming(byAgents, "SELF", a, "OTHER", b) {
			s.ledger.note(from, intruder.try(t, attempt))
		}
		// Its own subjects it may use, but not to have the node answer to another.
		rpc := agentlink.HostServiceSubject(a, "kv", "get")
		for _, reply := range []string{agentlink.UndeploySubject(b), agentlink.DeploySubject(b), agentlink.InboxPrefix(b) + ".x", agentlink.LogsSubject(b)} {
			must(t, intruder.PublishRequest(rpc, reply, nil))
			_, err := intruder.Request(rpc, nil, nextest.Patience)
			must(t, err, victim.FlushTimeout(nextest.Patience))
			for n, _, _ := heard.Pending(); n > 0; n-- {
				if m, err := heard.NextMsg(nextest.Patience); err == nil && m.Subject != agentlink.LogsHeardSubject(b) {
					t.Errorf("ESCAPED: the node answers agent A on %s", m.Subject)
				}
			}
			s.ledger.note(from, fmt.Sprintf("ask the node to answer on %s: the other agent hears nothing", reply))
		}
		// The victim itself may do what the intruder may not.
		_, err = victim.Request(agentlink.HostServiceSubject(b, "kv", "get"), nil, nextest.Patience)
		must(t, err)
		if victim.mu.Lock(); len(victim.said) > 0 {
			t.Errorf("of its own subjects the server says %q", victim.said)
		}
		victim.mu.Unlock()
		for _, purpose := range []byte{agentlink.PurposeNATS, agentlink.PurposeCalls, agentlink.PurposeCompiled} {
			if err := greet(t, others.LinkDir, purpose, own.Token); !errors.Is(err, agentlink.ErrHello) {
				t.Errorf("ESCAPED: hello at another's socket: %v", err)
			}
			s.ledger.note(from, fmt.Sprintf("another's socket for %q, with its own token: %v", purpose, agentlink.ErrHello))
		}
		must(t, greet(t, own.LinkDir, agentlink.PurposeNATS, own.Token))
	}
}

// linked connects as an agent does that keeps to nothing.
func linked(b agentlink.Bootstrap, o nats.Option) (*nats.Conn, error) {
	pair, err := nkeys.FromSeed([]byte(b.Seed))
	if err != nil {
		return nil, err
	}
	public, err := pair.PublicKey()
	if err != nil {
		return nil, err
	}
	return nats.Connect(b.URL, nats.Nkey(public, pair.Sign), nats.CustomInboxPrefix(agentlink.InboxPrefix(b.AgentID)), nats.NoReconnect(), o)
}

// greet says hello at an agent's socket.
func greet(t *testing.T, dir string, purpose byte, token string) error {
	t.Helper()
	c, err := net.Dial("unix", filepath.Join(dir, agentlink.SocketName))
	must(t, err)
	defer c.Close()
	return agentlink.SayHello(c, purpose, token)
}
