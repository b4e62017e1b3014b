//go:build !linux

package node

import (
	"context"
)

func (n *node) openNetwork(context.Context) (sandboxNetwork, error) {
	return sandboxNetwork{}, errNoNetwork
}
