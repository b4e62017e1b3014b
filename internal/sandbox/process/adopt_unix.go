//go:build linux || darwin

package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nex-engine/nex/internal/proctree"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandboxdir"
	"github.com/nex-engine/nex/internal/unwind"
)

var _ sandbox.Adopter = (*Driver)(nil)

// Adopt implements [sandbox.Adopter]. An agent is known again by its process id together with when it was started
// and in which run of the machine. How it ends is known from linux 6.15 on, and elsewhere if the agents of the
// earlier node have become children of this process.
func (d *Driver) Adopt(ctx context.Context, id string, log func(line string)) (sandbox.Instance, error) {
	i, err := d.adopt(ctx, id, log)
	if err != nil {
		return nil, fmt.Errorf("adopt sandbox %s: %w", id, err)
	}
	return i, nil
}

func (d *Driver) adopt(ctx context.Context, id string, log func(line string)) (_ *instance, err error) {
	var undo unwind.Stack
	defer undo.RunOnError(&err)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err := sandboxdir.CheckID(id); err != nil {
		return nil, err
	}
	if err := d.owned.Take(id); err != nil {
		return nil, err
	}
	undo.Add(func() { d.owned.Release(id) })
	i := &instance{driver: d, id: id, home: home(filepath.Join(d.dir, id))}
	if err := i.recall(); err != nil {
		return nil, err
	}
	if i.group, err = d.cgroups.Adopt(id, i.limits); err != nil {
		return nil, err
	}
	undo.Add(i.group.Abandon)
	i.struck = i.oomKills()
	// The last step, for it cannot be undone: the agent is watched until it ends.
	if i.output, err = sandboxdir.OpenOutput(i.home.output(), log); err != nil {
		return nil, err
	}
	i.tree, err = proctree.Adopt(i.record.Process, proctree.Marked(AgentIDVariable, id))
	if err != nil {
		i.output.End(outputDelay)
	}
	if errors.Is(err, proctree.ErrNotFound) {
		return nil, sandbox.ErrGone
	}
	if err != nil {
		return nil, err
	}
	i.begin()
	return i, nil
}

// recall reads what was kept of the sandbox, and finds the agent running.
func (i *instance) recall() error {
	if _, err := os.Stat(string(i.home)); errors.Is(err, fs.ErrNotExist) {
		return sandbox.ErrGone
	}
	r, err := sandboxdir.ReadRecord(string(i.home))
	if err != nil {
		return err
	}
	if !r.Process.Running() {
		return sandbox.ErrGone
	}
	var h handle
	if err := r.ReadHandle(handleVersion, &h); err != nil {
		return err
	}
	i.record, i.limits = r, h.Limits
	return nil
}
