package gvisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nex-engine/nex/internal/proctree"
)

// Sweep ends and removes what an earlier node process left in the directory of sandboxes, and lets the
// control groups and networks do the same. It goes on with the others when it fails at one, and the error
// then tells of each.
func (d *Driver) Sweep(ctx context.Context) (int, error) {
	var failed []error
	if d.cgroups != nil {
		_, err := d.cgroups.Sweep(ctx) // it kills, too
		failed = append(failed, err)
	}
	entries, err := os.ReadDir(d.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("look for left sandboxes: %w", err)
	}
	swept := 0
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
	if d.network != nil {
		_, err := d.network.Sweep(ctx) // nobody uses what is left any more
		failed = append(failed, err)
	}
	if err := d.rootfs.sweep(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		failed = append(failed, fmt.Errorf("remove root directories of sandboxes: %w", err))
	}
	return swept, errors.Join(failed...)
}

func (d *Driver) sweep(ctx context.Context, id string) error {
	h := home(filepath.Join(d.dir, id))
	// The node can have been killed before it wrote the record; then the marker is all there is, by which
	// runsc is found and what it has started.
	scopes := []proctree.Scope{{MarkerName: AgentIDVariable, MarkerValue: id}}
	if r, err := h.recorded(); err == nil {
		scopes[0].Root = r.Runsc
		scopes = append(scopes, proctree.Scope{Root: r.Kernel})
	} else if !errors.Is(err, fs.ErrNotExist) {
		d.log.Warn("the record of a left sandbox cannot be read", attrAgent, id, attrError, err)
	}
	for _, s := range scopes {
		if err := proctree.Kill(ctx, s); err != nil {
			return err
		}
	}
	return h.remove()
}
