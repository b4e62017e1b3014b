package cli

import (
	"context"
	"log/slog"

	"github.com/nex-engine/nex/internal/config"
)

type publicServer struct{}

func (publicServer) close() {}

func startPublic(context.Context, config.Config, string, *slog.Logger) (publicServer, error) {
	return publicServer{}, nil
}
