package embednats

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/nex-engine/nex/internal/atomicfile"
)

// KeyFile is the name of the control user's key in the data directory.
const KeyFile = "control.nk"

// maxKeyBytes bounds a key file; a seed has 58 bytes.
const maxKeyBytes = 1 << 10

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
	seed, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return createKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read the control key: %w", err)
	}
	k, err := parseKey(seed)
	if err != nil {
		return nil, fmt.Errorf("the control key %s is damaged (%w): remove it, and a new one is made", path, err)
	}
	k.path = path
	return k, nil
}

func createKey(path string) (*Key, error) {
	k, seed, err := newKey()
	if err != nil {
		return nil, err
	}
	if err := atomicfile.Write(path, append(seed, '\n'), 0o600); err != nil {
		return nil, fmt.Errorf("create the control key: %w", err)
	}
	k.path = path
	return k, nil
}

// newKey makes a key that is in no file.
func newKey() (*Key, []byte, error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return nil, nil, fmt.Errorf("make an nkey user: %w", err)
	}
	seed, err := pair.Seed()
	if err != nil {
		return nil, nil, fmt.Errorf("make an nkey user: %w", err)
	}
	k, err := parseKey(seed)
	return k, seed, err
}

// parseKey reads a file with a user seed, possibly with comments around it.
func parseKey(content []byte) (*Key, error) {
	if len(content) > maxKeyBytes {
		return nil, fmt.Errorf("it has more than %d bytes", maxKeyBytes)
	}
	pair, err := nkeys.ParseDecoratedNKey(content)
	if err != nil {
		return nil, errors.New("it holds no nkey seed")
	}
	public, err := pair.PublicKey()
	if err != nil {
		return nil, errors.New("its seed is not valid")
	}
	if !nkeys.IsValidPublicUserKey(public) {
		return nil, errors.New("its seed is not a user's")
	}
	return &Key{pair: pair, public: public}, nil
}

// Public returns the public key, U….
func (k *Key) Public() string { return k.public }

// Path returns the file that the key lies in.
func (k *Key) Path() string { return k.path }

// Option makes a connection authenticate as the key's user.
func (k *Key) Option() nats.Option { return nats.Nkey(k.public, k.pair.Sign) }
