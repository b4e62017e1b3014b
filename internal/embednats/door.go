package embednats

import (
	"encoding/base64"
	"sync/atomic"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
)

// door authenticates the clients of a server that asks nobody for credentials.
//
// nats-server's own way to let in clients without credentials, no_auth_user, refuses clients that
// bring some, which a server without authorization does not: a client whose settings are meant for
// another server as well would no longer get in. So everybody is let in, into the global account,
// except that an nkey must be one of ours: without users, the server could not offer nkeys at all.
type door struct {
	accounts    map[string]string // by public nkey; not changed after admit
	leafAccount string
	server      atomic.Pointer[server.Server]
}

var _ server.Authentication = (*door)(nil)

func newDoor(leafAccount string) *door {
	return &door{accounts: make(map[string]string), leafAccount: leafAccount}
}

// admit lets a user in. Call it before the server starts.
func (d *door) admit(k *Key, account string) { d.accounts[k.Public()] = account }

// Check implements [server.Authentication]. A client that is in no other account is in the global
// one.
func (d *door) Check(c server.ClientAuthentication) bool {
	if c.Kind() == server.LEAF {
		return d.enter(c, d.leafAccount, "")
	}
	o := c.GetOpts()
	if o.Nkey == "" {
		return true
	}
	account, known := d.accounts[o.Nkey]
	return known && signed(o.Nkey, c.GetNonce(), o.Sig) && d.enter(c, account, o.Nkey)
}

func (d *door) enter(c server.ClientAuthentication, account, user string) bool {
	if account == "" {
		account = globalAccount
	}
	acc, err := d.server.Load().LookupAccount(account)
	if err != nil {
		return false
	}
	c.RegisterUser(&server.User{Username: user, Account: acc})
	return true
}

// signed says whether signature, in base64, is the nonce's by the public key.
func signed(public string, nonce []byte, signature string) bool {
	sig, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil {
		if sig, err = base64.StdEncoding.DecodeString(signature); err != nil {
			return false
		}
	}
	key, err := nkeys.FromPublicKey(public)
	return err == nil && key.Verify(nonce, sig) == nil
}
