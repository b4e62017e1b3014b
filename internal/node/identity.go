package node

import (
	"path/filepath"

	"github.com/nex-engine/nex/internal/keyfile"
)

// openIdentity reads, or makes, the keys that say who this node is: an nkey, whose public key is its
// id, and an xkey, to which others seal what only it may read.
func (n *node) openIdentity() error {
	var err error
	if n.identity, _, err = keyfile.LoadOrCreate(filepath.Join(n.cfg.DataDir, "node.nk"), keyfile.Server); err != nil {
		return err
	}
	if n.id, err = n.identity.PublicKey(); err != nil {
		return err
	}
	if n.xkey, _, err = keyfile.LoadOrCreate(filepath.Join(n.cfg.DataDir, "node.xk"), keyfile.Curve); err != nil {
		return err
	}
	if n.xkeyPublic, err = n.xkey.PublicKey(); err != nil {
		return err
	}
	n.log.Info("use this key as the recipient for encrypted run requests", "public_xkey", n.xkeyPublic)
	return nil
}
