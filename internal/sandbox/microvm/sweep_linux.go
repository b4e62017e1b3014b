package microvm

import (
	"context"
	"errors"

	"github.com/nex-engine/nex/internal/sandboxdir"
)

// Sweep ends and removes what an earlier node process left in the directory of sandboxes and was not adopted, and
// lets the control groups and networks do the same; snapshots that are of no use any more, and disks of images that are
// gone, it removes, too. It goes on with the others when it fails at one, and the error then tells of each.
func (d *Driver) Sweep(ctx context.Context) (int, error) {
	var failed []error
	if d.cgroups != nil {
		_, err := d.cgroups.Sweep(ctx) // it kills, too
		failed = append(failed, err)
	}
	swept, err := sandboxdir.Sweep(ctx, d.dir, AgentIDVariable, &d.owned, d.log)
	failed = append(failed, err)
	if d.network != nil {
		_, err := d.network.Sweep(ctx) // nobody uses what is left any more
		failed = append(failed, err)
	}
	failed = append(failed, d.sweepSnapshots(ctx), d.images.sweep())
	return swept, errors.Join(failed...)
}
