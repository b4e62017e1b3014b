// Package linkhost is the node's end of the agent link: a NATS server inside the node process that
// only this machine can reach, and one [Link] per agent.
//
// Each agent has an account, so that it cannot even name another agent's subjects, and one nkey
// user whose permissions are its own subjects. The node has one in-process connection into each of
// these accounts.
package linkhost

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

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
	// Logger is required.
	Logger *slog.Logger
}

// Host is the internal NATS server. It is safe for concurrent use.
type Host struct {
	cfg    Config
	server *server.Server
	users  *users
}

// startTimeout bounds how long the server may take to accept connections.
const startTimeout = 5 * time.Second

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
	h := &Host{cfg: cfg, users: newUsers()}
	s, err := server.NewServer(&server.Options{
		ServerName:                 "nex-internal",
		Host:                       cfg.Host,
		Port:                       port,
		MaxPayload:                 agentlink.MaxMessageBytes,
		NoSigs:                     true,
		NoLog:                      true,
		NoSystemAccount:            true,
		AlwaysEnableNonce:          true,
		CustomClientAuthentication: h.users,
	})
	if err != nil {
		return nil, fmt.Errorf("internal NATS server: %w", err)
	}
	h.server = s
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
}

// Admit makes the account and the keys of a new agent and waits for nothing. The caller owns the
// Link and closes it.
func (h *Host) Admit(agentID string) (_ *Link, err error) {
	agent, err := nkeys.CreateUser()
	if err != nil {
		return nil, fmt.Errorf("create agent key: %w", err)
	}
	node, err := nkeys.CreateUser()
	if err != nil {
		return nil, fmt.Errorf("create node key: %w", err)
	}
	seat, err := h.users.admit(h.server, agentID, agent, node)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			h.users.dismiss(seat)
		}
	}()
	seed, err := agent.Seed()
	if err != nil {
		return nil, fmt.Errorf("read agent key: %w", err)
	}
	nc, err := nats.Connect("", nats.InProcessServer(h.server), nats.Name("node for "+agentID),
		nats.Nkey(seat.node, node.Sign), nats.NoReconnect(), nats.NoCallbacksAfterClientClose())
	if err != nil {
		return nil, fmt.Errorf("connect to internal NATS server: %w", err)
	}
	l := &Link{
		id: agentID, nc: nc, host: h, seat: seat,
		bootstrap: agentlink.Encode(agentlink.Bootstrap{AgentID: agentID, URL: h.URL(), Seed: string(seed)}),
		shook:     make(chan agentlink.Handshake, 1),
	}
	if err := l.subscribe(); err != nil {
		nc.Close()
		return nil, err
	}
	return l, nil
}

// users authenticates the connections of the internal server.
type users struct {
	mu    sync.Mutex
	byKey map[string]*server.User // by nkey public key
	free  []*server.Account       // accounts whose agent is gone
	seats int                     // accounts made so far
}

// seat is an agent's place on the server. The server cannot forget an account, so accounts are
// used again: there are never more than agents at one time.
type seat struct {
	account     *server.Account
	agent, node string // nkey public keys
}

func newUsers() *users { return &users{byKey: make(map[string]*server.User)} }

func (u *users) admit(s *server.Server, agentID string, agent, node nkeys.KeyPair) (*seat, error) {
	agentKey, agentErr := agent.PublicKey()
	nodeKey, nodeErr := node.PublicKey()
	if err := errors.Join(agentErr, nodeErr); err != nil {
		return nil, fmt.Errorf("read agent key: %w", err)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	var account *server.Account
	if n := len(u.free); n > 0 {
		account, u.free = u.free[n-1], u.free[:n-1]
	} else {
		u.seats++
		account, _ = s.LookupOrRegisterAccount("agent-" + strconv.Itoa(u.seats))
	}
	u.byKey[agentKey] = &server.User{Username: agentID, Account: account, Permissions: permissions(agentID)}
	u.byKey[nodeKey] = &server.User{Username: "node", Account: account}
	return &seat{account: account, agent: agentKey, node: nodeKey}, nil
}

func (u *users) dismiss(s *seat) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.byKey, s.agent)
	delete(u.byKey, s.node)
	u.free = append(u.free, s.account)
}

// permissions are what one agent may use: its subjects, its inbox, and one answer to each request.
func permissions(agentID string) *server.Permissions {
	return &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: []string{agentlink.HostSubjects(agentID)}},
		Subscribe: &server.SubjectPermission{Allow: []string{agentlink.AgentSubjects(agentID), agentlink.InboxPrefix(agentID) + ".>"}},
		Response:  &server.ResponsePermission{MaxMsgs: 1, Expires: answerWithin},
	}
}

// answerWithin bounds how long an agent may take to answer; the longest is a stop with the longest
// grace period.
const answerWithin = 10 * time.Minute

// Check implements server.Authentication: the client must sign the server's nonce with a known key.
func (u *users) Check(c server.ClientAuthentication) bool {
	opts := c.GetOpts()
	u.mu.Lock()
	user := u.byKey[opts.Nkey]
	u.mu.Unlock()
	if user == nil {
		return false
	}
	sig, err := base64.RawURLEncoding.DecodeString(opts.Sig)
	if err != nil {
		return false
	}
	key, err := nkeys.FromPublicKey(opts.Nkey)
	if err != nil || key.Verify(c.GetNonce(), sig) != nil {
		return false
	}
	c.RegisterUser(user)
	return true
}
