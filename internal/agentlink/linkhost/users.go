package linkhost

import (
	"encoding/base64"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/nex-engine/nex/internal/agentlink"
)

// maxConnections bounds the connections into one account, so that an agent cannot use up the node's
// file descriptors. It takes one for the node, one for the agent, and one that the server has not
// noticed yet to be dead.
const maxConnections = 4

// answerWithin bounds how long an agent may take to answer; the longest is a stop with the longest
// grace period.
const answerWithin = 10 * time.Minute

// users authenticates the connections of the internal server.
type users struct {
	server *server.Server // set before it accepts connections

	mu    sync.Mutex
	byKey map[string]*server.User // by nkey public key
	free  []*server.Account       // accounts whose agent is gone
	made  int                     // accounts made so far
}

// seat is an agent's place on the server. The server cannot forget an account, so accounts are used
// again: there are never more than agents at one time.
type seat struct {
	account     *server.Account
	agent, node string // nkey public keys
}

func newUsers() *users { return &users{byKey: make(map[string]*server.User)} }

// admit lets an agent in, and the node's connection to it.
func (u *users) admit(agentID string, agent, node key) *seat {
	u.mu.Lock()
	defer u.mu.Unlock()
	account := u.accountLocked()
	u.byKey[agent.public] = &server.User{Username: agentID, Account: account, Permissions: permissions(agentID)}
	u.byKey[node.public] = &server.User{Username: "node", Account: account}
	return &seat{account: account, agent: agent.public, node: node.public}
}

func (u *users) accountLocked() *server.Account {
	if n := len(u.free); n > 0 {
		account := u.free[n-1]
		u.free = u.free[:n-1]
		return account
	}
	u.made++
	account, _ := u.server.LookupOrRegisterAccount("agent-" + strconv.Itoa(u.made))
	return account
}

// dismiss forgets the keys, cuts the connections that were made with them, and then lets another
// agent have the account.
func (u *users) dismiss(s *seat) {
	u.mu.Lock()
	delete(u.byKey, s.agent)
	delete(u.byKey, s.node)
	u.mu.Unlock()
	u.disconnect(s.account)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.free = append(u.free, s.account)
}

func (u *users) disconnect(account *server.Account) {
	conns, err := u.server.Connz(&server.ConnzOptions{Account: account.Name, Limit: math.MaxInt})
	if err != nil {
		return // only of options that it does not know
	}
	for _, c := range conns.Conns {
		_ = u.server.DisconnectClientByID(c.Cid) // it fails for one that is gone already
	}
}

// permissions are what one agent may use: its subjects, its inbox, and one answer to each request.
func permissions(agentID string) *server.Permissions {
	return &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: []string{agentlink.HostSubjects(agentID)}},
		Subscribe: &server.SubjectPermission{Allow: []string{agentlink.AgentSubjects(agentID), agentlink.InboxPrefix(agentID) + ".>"}},
		Response:  &server.ResponsePermission{MaxMsgs: 1, Expires: answerWithin},
	}
}

// Check implements server.Authentication: the client must sign the server's nonce with a known key.
func (u *users) Check(c server.ClientAuthentication) bool {
	opts := c.GetOpts()
	user := u.find(opts.Nkey)
	if user == nil || !signed(c.GetNonce(), opts.Nkey, opts.Sig) || user.Account.NumLocalConnections() >= maxConnections {
		return false
	}
	c.RegisterUser(user)
	// A key that was forgotten meanwhile may have been so before there was a connection to cut.
	return u.find(opts.Nkey) == user
}

func (u *users) find(public string) *server.User {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.byKey[public]
}

// signed reports whether a nonce was signed by the owner of a public key.
func signed(nonce []byte, public, signature string) bool {
	sig, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil {
		return false
	}
	key, err := nkeys.FromPublicKey(public)
	return err == nil && key.Verify(nonce, sig) == nil
}
