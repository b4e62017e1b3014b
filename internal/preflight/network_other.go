//go:build !linux

package preflight

import (
	"context"
	"errors"

	"github.com/nex-engine/nex/internal/config"
)

func tryNetwork(context.Context, config.Config) error {
	return errors.New("the network of sandboxes is there on Linux only")
}
