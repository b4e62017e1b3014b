package linkhost

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"fmt"

	"github.com/nats-io/nkeys"

	"github.com/nex-engine/nex/internal/agentlink"
)

// secretBytes is the length of a Config.Secret.
const secretBytes = 32

// secret is what the keys of agents are derived from, so that nothing of an agent has to be stored for a
// later process to let it in again.
type secret []byte

func newSecret(given []byte) (secret, error) {
	switch len(given) {
	case secretBytes:
		return given, nil
	case 0:
		s := make(secret, secretBytes)
		_, _ = rand.Read(s) // it never fails
		return s, nil
	}
	return nil, fmt.Errorf("the secret of the agent link has %d bytes instead of %d", len(given), secretBytes)
}

// derive makes n bytes for one purpose and agent.
func (s secret) derive(purpose, agentID string, n int) []byte {
	b, err := hkdf.Key(sha256.New, s, nil, "nex agent link\x00"+purpose+"\x00"+agentID, n)
	if err != nil {
		panic(err) // of a length that is too large only
	}
	return b
}

// key is the nkey user of an agent.
func (s secret) key(agentID string) (key, error) {
	pair, err := nkeys.FromRawSeed(nkeys.PrefixByteUser, s.derive("nkey", agentID, 32))
	if err != nil {
		return key{}, fmt.Errorf("derive nkey: %w", err)
	}
	return keyOf(pair)
}

// token is the token of an agent's socket.
func (s secret) token(agentID string) string {
	text := base32.StdEncoding.EncodeToString(s.derive("token", agentID, agentlink.TokenBytes))
	return text[:agentlink.TokenBytes]
}

// key is an nkey user's.
type key struct {
	pair         nkeys.KeyPair
	public, seed string
}

func newKey() (key, error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return key{}, fmt.Errorf("create nkey: %w", err)
	}
	return keyOf(pair)
}

func keyOf(pair nkeys.KeyPair) (key, error) {
	public, err := pair.PublicKey()
	if err != nil {
		return key{}, fmt.Errorf("read nkey: %w", err)
	}
	seed, err := pair.Seed()
	if err != nil {
		return key{}, fmt.Errorf("read nkey: %w", err)
	}
	return key{pair, public, string(seed)}, nil
}
