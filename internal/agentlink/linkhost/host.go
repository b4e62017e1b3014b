// Package linkhost is the node's end of the agent link: a NATS server inside the node process that
// only this machine can reach, and one [Link] per agent.
//
// Each agent has an account, so that it cannot even name another agent's subjects, and one nkey
// user whose permissions are its own subjects. The node has one in-process connection into each of
// these accounts.
package linkhost

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
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
	// Dir is the directory for the sockets of agents; what is in it is removed. Empty makes one for
	// temporary files.
	Dir string
	// Logger is required.
	Logger *slog.Logger
}

// Host is the internal NATS server. It is safe for concurrent use.
type Host struct {
	cfg    Config
	dir    string
	server *server.Server
	users  *users
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
	h := &Host{cfg: cfg, server: s, users: users}
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

// Close ends the server and with it every link.
func (h *Host) Close() {
	h.server.Shutdown()
	h.server.WaitForShutdown()
	if err := os.RemoveAll(h.dir); err != nil {
		h.cfg.Logger.Warn("directory for the sockets of agents not removed", "error", err)
	}
}

// Admit makes the account and the keys of a new agent and waits for nothing. The caller owns the
// Link and closes it.
func (h *Host) Admit(agentID string) (*Link, error) {
	agent, err := newKey()
	if err != nil {
		return nil, fmt.Errorf("admit agent %s: %w", agentID, err)
	}
	node, err := newKey()
	if err != nil {
		return nil, fmt.Errorf("admit agent %s: %w", agentID, err)
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
		return nil, fmt.Errorf("admit agent %s: connect to internal NATS server: %w", agentID, err)
	}
	l := &Link{
		id: agentID, nc: nc, host: h, seat: seat, seed: agent.seed,
		shook: make(chan agentlink.Handshake, 1),
		lost:  lost, deployed: make(chan struct{}),
		calls: calls{pending: make(map[uint64]*call)},
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.calls.late = l.suspect
	if l.socket, err = listenSocket(filepath.Join(h.dir, agentID), l.connected); err == nil {
		err = l.listen()
	}
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("admit agent %s: %w", agentID, err)
	}
	return l, nil
}
