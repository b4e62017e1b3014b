package node

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/nex-engine/nex/internal/binpath"
	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/process"
)

// chooseDriver makes the driver for this node and removes what an earlier node process left.
func chooseDriver(ctx context.Context, s config.Config, dataDir string, log *slog.Logger) (sandbox.Driver, error) {
	if !s.NoSandbox {
		return nil, errNoSandbox
	}
	agent, err := binpath.Find("nex-agent", s.BinPath)
	if err != nil {
		return nil, err
	}
	d, err := process.New(process.Config{AgentPath: agent, Dir: filepath.Join(dataDir, "sandbox", "process"), Logger: log})
	if err != nil {
		return nil, err
	}
	log.Warn("workloads run WITHOUT a sandbox, as ordinary processes of this user: run only what you trust", "agent", agent)
	swept, err := d.Sweep(ctx)
	if err != nil {
		return nil, fmt.Errorf("remove what an earlier node process left: %w", err)
	}
	if swept > 0 {
		log.Warn("removed sandboxes that an earlier node process left", "sandboxes", swept)
	}
	return d, nil
}
