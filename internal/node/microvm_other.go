//go:build !linux

package node

import (
	"context"

	"github.com/nex-engine/nex/internal/sandbox/microvm"
)

func (n *node) checkMicroVM(ctx context.Context) (microvm.Config, error) {
	return microvm.Config{}, microvm.Check(ctx, microvm.Config{})
}

func (n *node) openMicroVM(_ context.Context, cfg microvm.Config) error {
	_, err := microvm.New(cfg)
	return err
}
