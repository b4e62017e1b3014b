//go:build !linux

package node

import (
	"context"
	"errors"

	"github.com/nex-engine/nex/internal/sandbox/gvisor"
)

func (n *node) openNetwork(context.Context) (gvisor.Network, error) {
	return nil, errors.New("sandboxes have networks on linux alone")
}
