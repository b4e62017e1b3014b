package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nex-engine/nex/internal/proctree"
)

// Sweep ends and removes what an earlier node process left in the directory of sandboxes, and in the
// node's control groups. It goes on with the others when it fails at one, and the error then tells of
// each.
func (d *Driver) Sweep(ctx context.Context) (int, error) {
	// First who could still write to the directories. A sandbox has both and counts once.
	_, groups := d.cgroups.Sweep(ctx)
	swept, homes := d.sweepHomes(ctx)
	return swept, errors.Join(groups, homes)
}

func (d *Driver) sweepHomes(ctx context.Context) (int, error) {
	entries, err := os.ReadDir(d.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look for left sandboxes: %w", err)
	}
	swept := 0
	var failed []error
	for _, e := range entries {
		if !e.IsDir() || !validID(e.Name()) {
			continue // not ours
		}
		if err := d.sweep(ctx, e.Name()); err != nil {
			failed = append(failed, fmt.Errorf("sweep sandbox %s: %w", e.Name(), err))
			continue
		}
		swept++
	}
	return swept, errors.Join(failed...)
}

func (d *Driver) sweep(ctx context.Context, id string) error {
	h := home(filepath.Join(d.dir, id))
	scope := proctree.Scope{MarkerName: AgentIDVariable, MarkerValue: id}
	// The node can have been killed before it wrote the record; then the marker is all there is.
	if r, err := h.recorded(); err == nil {
		scope.Root = r.Process
	} else if !errors.Is(err, fs.ErrNotExist) {
		d.log.Warn("the record of a left sandbox cannot be read", attrAgent, id, attrError, err)
	}
	if err := proctree.Kill(ctx, scope); err != nil {
		return err
	}
	return h.remove()
}
