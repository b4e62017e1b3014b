// Package linkhost is the node's end of the agent link: a NATS server inside the node process that
// only this machine can reach, and one [Link] per agent.
//
// Each agent has an account, so that it cannot even name another agent's subjects, and one nkey
// user whose permissions are its own subjects. The node has one in-process connection into each of
// these accounts.
package linkhost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"golang.org/x/time/rate"

	"github.com/nex-engine/nex/internal/agentlink"
)

// Config says where the internal server listens.
type Config struct {
	// NodeID is told to the agents.
	NodeID string
	// Host is a loopback address; empty means 127.0.0.1.
	Host string
	// Port is fixed, or 0 for any free one.
	Port int
	// Dir is the directory for the sockets of agents, each of which has one in it by its id. What an earlier
	// process has left there remains until [Host.Sweep]. Empty makes one for temporary files.
	Dir string
	// Secret, 32 bytes, is what the keys of agents are derived from, so that a later process with the same
	// one can let them in again. Empty means a random one.
	Secret []byte
	// OrphanTimeout is for how long agents that have a workload go on without a node; 0 means for ever.
	OrphanTimeout time.Duration
	// Logger is required.
	Logger *slog.Logger
}

// Host is the internal NATS server. It is safe for concurrent use.
type Host struct {
	cfg    Config
	secret secret
	dir    string
	server *server.Server
	users  *users

	mu    sync.Mutex
	links map[string]*Link // by agent; nil while one is being made
}

// startTimeout bounds how long the server may take to accept connections.
const startTimeout = 5 * time.Second

// What the server lets one connection have: an agent that was taken over by its function can ask for
// anything.
const (
	// maxPending is how much may wait for one agent, or for the node, before the server cuts the
	// connection: more than host service requests have under way together.
	maxPending = 64<<20 + agentlink.MaxFrameBytes
	// maxSubscriptions is more than either end makes.
	maxSubscriptions = 64
)

// connectTimeout bounds how long the node's own connection may take, which is long on a busy machine
// only.
const connectTimeout = 10 * time.Second

// Start starts the internal server. The caller owns the Host and closes it.
func Start(cfg Config) (*Host, error) {
	if cfg.Host == "" {
		cfg.Host = "127.0.0.1"
	}
	if ip := net.ParseIP(cfg.Host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("internal NATS server: %s is no loopback address; set internal_node_host to 127.0.0.1", cfg.Host)
	}
	secret, err := newSecret(cfg.Secret)
	if err != nil {
		return nil, err
	}
	port := cfg.Port
	if port == 0 {
		port = server.RANDOM_PORT
	} else if err := probe(cfg.Host, port); err != nil {
		return nil, fmt.Errorf("internal NATS server: port %d is not free; set internal_node_port to another, or to 0: %w", port, err)
	}
	users := newUsers()
	s, err := server.NewServer(&server.Options{
		ServerName:                 "nex-internal",
		Host:                       cfg.Host,
		Port:                       port,
		MaxPayload:                 agentlink.MaxFrameBytes,
		MaxPending:                 maxPending,
		MaxSubs:                    maxSubscriptions,
		NoSigs:                     true,
		NoLog:                      true,
		NoSystemAccount:            true,
		AlwaysEnableNonce:          true,
		CustomClientAuthentication: users,
	})
	if err != nil {
		return nil, fmt.Errorf("internal NATS server: %w", err)
	}
	users.server = s
	h := &Host{cfg: cfg, secret: secret, server: s, users: users, links: make(map[string]*Link)}
	if h.dir, err = makeDir(cfg.Dir); err != nil {
		return nil, err
	}
	s.Start()
	if !s.ReadyForConnections(startTimeout) {
		h.Close()
		return nil, fmt.Errorf("internal NATS server did not listen on %s within %s", cfg.Host, startTimeout)
	}
	return h, nil
}

// probe finds out whether the server can listen, because nats-server does not say why it cannot.
func probe(host string, port int) error {
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return l.Close()
}

// URL is where agents connect to.
func (h *Host) URL() string { return h.server.ClientURL() }

// Close ends the server and with it every link, and removes the directories of their sockets. Those of
// agents that were not let in again are left.
func (h *Host) Close() {
	h.shutdown()
	for _, l := range h.open() {
		l.Close()
	}
	if h.cfg.Dir == "" {
		h.remove(h.dir)
		return
	}
	_ = os.Remove(h.dir) // it fails when agents are left, as it should
}

// Leave ends the server like Close, but agents whose links were not closed are left as they are, for a later
// process to let them in again: their links are lost, and closing these is of no effect any more. From then
// on nothing is told to their Events.
func (h *Host) Leave() {
	for _, l := range h.open() {
		l.end(false)
	}
	h.shutdown()
	_ = os.Remove(h.dir) // it fails when agents are left
}

func (h *Host) shutdown() {
	h.server.Shutdown()
	h.server.WaitForShutdown()
}

// open returns the links that are not closed.
func (h *Host) open() []*Link {
	h.mu.Lock()
	defer h.mu.Unlock()
	var open []*Link
	for _, l := range h.links {
		if l != nil {
			open = append(open, l)
		}
	}
	return open
}

// Sweep removes what earlier processes have left in the directory of the sockets and does not belong to an
// agent that was let in: call it when all have been that are to be.
func (h *Host) Sweep() {
	entries, err := os.ReadDir(h.dir)
	if err != nil {
		h.cfg.Logger.Warn("directory for the sockets of agents not swept", "error", err)
	}
	for _, e := range entries {
		h.mu.Lock()
		_, used := h.links[e.Name()]
		h.mu.Unlock()
		if !used {
			h.remove(filepath.Join(h.dir, e.Name()))
		}
	}
}

// remove removes a directory of sockets.
func (h *Host) remove(dir string) {
	if err := os.RemoveAll(dir); err != nil {
		h.cfg.Logger.Warn("directory for the sockets of agents not removed", "error", err)
	}
}

// Admit makes the account and the keys of a new agent and waits for nothing. The caller owns the
// Link and closes it.
func (h *Host) Admit(agentID string) (*Link, error) {
	l, err := h.admit(agentID, nil)
	if err != nil {
		return nil, fmt.Errorf("admit agent %s: %w", agentID, err)
	}
	return l, nil
}

// Readmit lets an agent in again that an earlier process with the same directory and secret has left with its
// workload, and waits for nothing: [Link.Wake] tells the agent to come, and its Handshake says what it holds. From
// then on events are told to e. The caller owns the Link and closes it, in the end; see also [Host.Leave].
func (h *Host) Readmit(agentID string, e Events) (*Link, error) {
	l, err := h.admit(agentID, &e)
	if err != nil {
		return nil, fmt.Errorf("let agent %s in again: %w", agentID, err)
	}
	return l, nil
}

// admit lets an agent in, with events for one that was known before.
func (h *Host) admit(agentID string, e *Events) (*Link, error) {
	if !validID(agentID) {
		return nil, errors.New("the id of an agent has letters and digits only")
	}
	if !h.reserve(agentID) {
		return nil, errors.New("it has a link already")
	}
	l, err := h.connect(agentID, e)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		delete(h.links, agentID)
		return nil, err
	}
	h.links[agentID] = l
	return l, nil
}

// validID reports whether an id can be a token of subjects and a name of a directory.
func validID(id string) bool {
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return id != ""
}

// reserve reports whether there is no link of the agent yet.
func (h *Host) reserve(agentID string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, taken := h.links[agentID]; taken {
		return false
	}
	h.links[agentID] = nil
	return true
}

// forget is called when a link is closed.
func (h *Host) forget(agentID string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.links, agentID)
}

// connect makes a link.
func (h *Host) connect(agentID string, e *Events) (*Link, error) {
	agent, err := h.secret.key(agentID)
	if err != nil {
		return nil, err
	}
	node, err := newKey()
	if err != nil {
		return nil, err
	}
	seat := h.users.admit(agentID, agent, node)
	lost := make(chan struct{})
	troubles := rate.Sometimes{First: 5, Interval: time.Minute}
	nc, err := nats.Connect("", nats.InProcessServer(h.server), nats.Name("node for "+agentID),
		nats.Nkey(node.public, node.pair.Sign), nats.NoReconnect(), nats.Timeout(connectTimeout),
		nats.ClosedHandler(func(*nats.Conn) { close(lost) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			troubles.Do(func() { h.cfg.Logger.Warn("trouble with the link to an agent", "agent", agentID, "error", err) })
		}))
	if err != nil {
		h.users.dismiss(seat)
		return nil, fmt.Errorf("connect to internal NATS server: %w", err)
	}
	l := &Link{
		id: agentID, nc: nc, host: h, seat: seat, seed: agent.seed, known: e != nil,
		shook: make(chan agentlink.Handshake, 1),
		lost:  lost, deployed: make(chan struct{}),
		calls: calls{pending: make(map[uint64]*call)},
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.calls.late = l.suspect
	if l.known {
		l.events.Store(e)
		close(l.deployed)
	}
	if err = l.listen(); err == nil {
		l.socket, err = listenSocket(filepath.Join(h.dir, agentID), h.secret.token(agentID), l.known, l.connected)
	}
	if err != nil {
		l.end(false)
		return nil, err
	}
	return l, nil
}
