package process

import (
	"context"
	"errors"

	"github.com/nex-engine/nex/internal/sandboxdir"
)

// Sweep ends and removes what an earlier node process left in the directory of sandboxes, and in the
// node's control groups, but for what this one has taken over or started. It goes on with the others when it fails at one, and the error then tells of
// each.
func (d *Driver) Sweep(ctx context.Context) (int, error) {
	// First who could still write to the directories. A sandbox has both and counts once.
	_, groups := d.cgroups.Sweep(ctx)
	swept, homes := sandboxdir.Sweep(ctx, d.dir, AgentIDVariable, &d.owned, d.log)
	return swept, errors.Join(groups, homes)
}
