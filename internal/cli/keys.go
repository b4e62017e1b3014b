package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nats-io/nkeys"

	"github.com/nex-engine/nex/internal/keyfile"
)

// issuerFlags name the key that a request is signed with.
type issuerFlags struct {
	Issuer string `help:"File with the seed of the account key that signs requests (default: ~/.nex/issuer.nk)." placeholder:"FILE" env:"NEX_ISSUER"`
}

// keyFlags name the keys that a request is signed and sealed with.
type keyFlags struct {
	issuerFlags
	Xkey string `help:"File with the seed of the xkey that seals the environment (default: ~/.nex/publisher.xk)." placeholder:"FILE" env:"NEX_XKEY"`
}

// homeDir is the user's Nex folder, where the keys are.
func homeDir() (string, error) {
	if dir := os.Getenv("NEX_HOME"); dir != "" {
		return dir, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find the folder of the keys: %w: set NEX_HOME", err)
	}
	return filepath.Join(home, ".nex"), nil
}

// issuer loads the issuer key; with create it makes a missing one and says so.
func (k issuerFlags) issuer(s *session, create bool) (nkeys.KeyPair, error) {
	return loadKey(s, k.Issuer, "issuer.nk", "issuer account key", keyfile.Account, create)
}

// publisher loads the publisher xkey, like issuer.
func (k keyFlags) publisher(s *session, create bool) (nkeys.KeyPair, error) {
	return loadKey(s, k.Xkey, "publisher.xk", "publisher xkey", keyfile.Curve, create)
}

func loadKey(s *session, path, file, what string, kind keyfile.Kind, create bool) (nkeys.KeyPair, error) {
	if path == "" {
		dir, err := homeDir()
		if err != nil {
			return nil, err
		}
		path = filepath.Join(dir, file)
	}
	if !create {
		pair, err := keyfile.Load(path, kind)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w: name the file that has it with --issuer", err)
		}
		return pair, err
	}
	pair, created, err := keyfile.LoadOrCreate(path, kind)
	if err != nil {
		return nil, err
	}
	if created {
		s.say("Created new %s: %s", what, path)
	} else {
		s.say("Reusing existing %s: %s", what, path)
	}
	return pair, nil
}
