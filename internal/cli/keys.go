package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/nats-io/nkeys"

	"github.com/nex-engine/nex/internal/keyfile"
)

// keyFlags name the keys that a request is signed and sealed with.
type keyFlags struct {
	Issuer string `help:"File with the seed of the account key that signs; made if it is missing." placeholder:"FILE" env:"NEX_ISSUER"`
	Xkey   string `help:"File with the seed of the xkey that seals the environment; made if it is missing." placeholder:"FILE" env:"NEX_XKEY"`
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
func (k keyFlags) issuer(s *session, create bool) (nkeys.KeyPair, error) {
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
		return keyfile.Load(path, kind)
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
