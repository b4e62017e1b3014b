package gvisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/nex-engine/nex/internal/sandboxdir"
)

// Sweep ends and removes what an earlier node process left in the directory of sandboxes and was not adopted, and
// lets the control groups and networks do the same. It goes on with the others when it fails at one, and the error
// then tells of each.
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
	if err := d.rootfs.sweep(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		failed = append(failed, fmt.Errorf("remove root directories of sandboxes: %w", err))
	}
	return swept, errors.Join(failed...)
}
