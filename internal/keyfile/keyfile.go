// Package keyfile keeps nkeys in files that only their owner can read.
package keyfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/nkeys"

	"github.com/nex-engine/nex/internal/atomicfile"
)

// Kind is a kind of key.
type Kind struct {
	name   string
	prefix nkeys.PrefixByte
	create func() (nkeys.KeyPair, error)
}

// The kinds of keys there are.
var (
	Account = Kind{"account key", nkeys.PrefixByteAccount, nkeys.CreateAccount}
	User    = Kind{"user key", nkeys.PrefixByteUser, nkeys.CreateUser}
	Server  = Kind{"server key", nkeys.PrefixByteServer, nkeys.CreateServer}
	Curve   = Kind{"xkey", nkeys.PrefixByteCurve, nkeys.CreateCurveKeys}
)

// Load reads the seed in the file at path.
func Load(path string, kind Kind) (nkeys.KeyPair, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", kind.name, err)
	}
	pair, err := parse(strings.TrimSpace(string(b)), kind)
	if err != nil {
		return nil, fmt.Errorf("%s holds no %s seed: restore it, or remove the file to have a new one made", path, kind.name)
	}
	return pair, nil
}

func parse(seed string, kind Kind) (nkeys.KeyPair, error) {
	prefix, _, err := nkeys.DecodeSeed([]byte(seed))
	if err != nil {
		return nil, err
	}
	if prefix != kind.prefix {
		return nil, errors.New("another kind of key")
	}
	if kind.prefix == nkeys.PrefixByteCurve {
		return nkeys.FromCurveSeed([]byte(seed))
	}
	return nkeys.FromSeed([]byte(seed))
}

// LoadOrCreate reads the seed in the file at path, or makes a new key and the file, with mode 0600,
// and the folder that it lies in, with mode 0700. It reports whether it made the key; of several that
// do so at the same time all get the one key that stays.
func LoadOrCreate(path string, kind Kind) (pair nkeys.KeyPair, created bool, err error) {
	pair, err = Load(path, kind)
	if !errors.Is(err, fs.ErrNotExist) {
		return pair, false, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, false, fmt.Errorf("make folder for %s: %w", kind.name, err)
	}
	pair, err = kind.create()
	if err != nil {
		return nil, false, fmt.Errorf("create %s: %w", kind.name, err)
	}
	seed, err := pair.Seed()
	if err != nil {
		return nil, false, fmt.Errorf("create %s: %w", kind.name, err)
	}
	err = atomicfile.Create(path, append(seed, '\n'), 0o600)
	if errors.Is(err, fs.ErrExist) { // somebody was faster
		pair, err = Load(path, kind)
		return pair, false, err
	}
	if err != nil {
		return nil, false, fmt.Errorf("write %s: %w", kind.name, err)
	}
	return pair, true, nil
}
