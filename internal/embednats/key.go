package embednats

import (
	"fmt"
	"path/filepath"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/nex-engine/nex/internal/keyfile"
)

// KeyFile is the name of the control user's key in the data directory.
const KeyFile = "control.nk"

// Key is an nkey user: who holds it may connect as that user.
type Key struct {
	pair   nkeys.KeyPair
	public string
	path   string
}

// OpenKey returns the control user's key in the data directory, which the caller has open. It makes
// one if there is none, in a file that only its owner can read.
func OpenKey(dataDir string) (*Key, error) {
	path := filepath.Join(dataDir, KeyFile)
	pair, _, err := keyfile.LoadOrCreate(path, keyfile.User)
	if err != nil {
		return nil, fmt.Errorf("open the control key: %w", err)
	}
	return keyOf(pair, path)
}

// newKey makes a key that is in no file.
func newKey() (*Key, error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return nil, fmt.Errorf("make an nkey user: %w", err)
	}
	return keyOf(pair, "")
}

func keyOf(pair nkeys.KeyPair, path string) (*Key, error) {
	public, err := pair.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("read an nkey user's key: %w", err)
	}
	return &Key{pair: pair, public: public, path: path}, nil
}

// Public returns the public key, U….
func (k *Key) Public() string { return k.public }

// Path returns the file that the key lies in.
func (k *Key) Path() string { return k.path }

// Option makes a connection authenticate as the key's user.
func (k *Key) Option() nats.Option { return nats.Nkey(k.public, k.pair.Sign) }
