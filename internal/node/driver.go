package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/nex-engine/nex/internal/binpath"
	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/process"
)

// CheckSandbox returns an error if workloads would run without a sandbox and the configuration does not
// ask for that.
func CheckSandbox(s config.Config) error {
	if s.NoSandbox {
		return nil
	}
	return errors.New("this version of nex has no sandbox, and workloads run without one only when that is asked for: give --no-sandbox, or set no_sandbox to true in the configuration")
}

// sweepTimeout bounds the removal of what an earlier node process left.
const sweepTimeout = 30 * time.Second

// chooseDriver makes the driver for this node and removes what an earlier node process left.
func chooseDriver(ctx context.Context, s config.Config, dataDir string, log *slog.Logger) (sandbox.Driver, error) {
	if err := CheckSandbox(s); err != nil {
		return nil, err
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
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	swept, err := d.Sweep(ctx)
	if err != nil {
		return nil, fmt.Errorf("remove what an earlier node process left: %w", err)
	}
	if swept > 0 {
		log.Warn("removed sandboxes that an earlier node process left", "sandboxes", swept)
	}
	return d, nil
}
