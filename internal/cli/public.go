package cli

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/nex-engine/nex/internal/atomicfile"
	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/embednats"
)

// startPublic starts the NATS server for users that the node's configuration asks for, or returns
// nil. The caller shuts it down.
func startPublic(ctx context.Context, settings config.Config, dataDir string, log *slog.Logger) (*embednats.Server, error) {
	if len(settings.PublicNATSServer) == 0 {
		return nil, nil
	}
	// JSON is NATS server configuration as well, but the server reads it from a file only.
	file := filepath.Join(dataDir, "public_nats_server.json")
	if err := atomicfile.Write(file, settings.PublicNATSServer, 0o600); err != nil {
		return nil, fmt.Errorf("write public_nats_server for the NATS server: %w", err)
	}
	server, err := embednats.New(embednats.Config{
		StoreDir: filepath.Join(dataDir, "public_nats_server"), ConfigFile: file, Logger: log,
	})
	if err == nil {
		err = server.Start(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("public_nats_server: %w", err)
	}
	log.Info("public NATS server started", "client_url", server.ClientURL())
	return server, nil
}
