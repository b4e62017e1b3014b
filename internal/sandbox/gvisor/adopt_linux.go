package gvisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/proctree"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandboxdir"
	"github.com/nex-engine/nex/internal/unwind"
)

// handleVersion changes with handle, and with anything in the directory of a sandbox, inside it or in how it is
// run that a later version of the driver has to know.
const handleVersion = 1

// handle is what the driver has to know of a sandbox to take it over, besides its processes.
type handle struct {
	// Root is the name of the shared root directory that it uses.
	Root string `json:"root"`
	// Rootfs is the root of its image; empty if there is none.
	Rootfs   string           `json:"rootfs,omitempty"`
	Network  bool             `json:"network,omitempty"`
	Settings sandbox.Settings `json:"settings"`
}

// record writes down how the sandbox is to be taken over. Before it is called for the first time it cannot be.
func (i *instance) record(h handle) error {
	r := sandboxdir.Record{Process: i.runsc, Others: []proctree.Identity{i.identity()}}
	if err := r.SetHandle(handleVersion, h); err != nil {
		return err
	}
	return sandboxdir.WriteRecord(string(i.home), r)
}

// Adopt takes over a sandbox. See [sandbox.Adopter].
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
	i, err := d.find(id)
	if err != nil {
		return nil, err
	}
	ended, release, err := proctree.Watch(i.runsc)
	if errors.Is(err, proctree.ErrNotFound) || err == nil && !i.kernel.Running() {
		err = sandbox.ErrGone
	}
	undo.Add(func() {
		if release != nil {
			release()
		}
	})
	if err != nil {
		return nil, err
	}
	i.await = func() nex.Exit {
		<-ended
		release()
		return nex.Exit{Code: -1} // its parent knows
	}
	if i.output, err = sandboxdir.OpenOutput(i.home.output(), log); err != nil {
		return nil, err
	}
	undo.Add(func() { i.output.End(0) })
	if err := i.takeOver(ctx, &undo); err != nil {
		return nil, err
	}
	go i.run() // ends with runsc; Destroy waits for it
	return i, nil
}

// find reads what is written down of a sandbox.
func (d *Driver) find(id string) (*instance, error) {
	at := home(filepath.Join(d.dir, id))
	r, err := sandboxdir.ReadRecord(string(at))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(string(at)); errors.Is(err, fs.ErrNotExist) {
			return nil, sandbox.ErrGone
		}
		return nil, errors.New("it was not started to the end")
	}
	if err != nil {
		return nil, err
	}
	if len(r.Others) != 1 {
		return nil, errors.New("its record does not say who its kernel is")
	}
	if !r.Process.Running() || !r.Others[0].Running() {
		return nil, sandbox.ErrGone
	}
	var h handle
	if err := r.ReadHandle(handleVersion, &h); err != nil {
		return nil, err
	}
	i := newInstance(d, at, h)
	i.runsc, i.kernel = r.Process, r.Others[0]
	return i, nil
}

// takeOver takes over what the sandbox has besides its processes.
func (i *instance) takeOver(ctx context.Context, undo *unwind.Stack) (err error) {
	d := i.driver
	if err := d.rootfs.use(i.handle.Root); err != nil {
		return err
	}
	if i.handle.Rootfs != "" {
		if err := checkImage(i.handle.Rootfs); err != nil {
			return err
		}
	}
	if i.staged, err = i.home.stagedAlready(); err != nil {
		return err
	}
	if i.handle.Network && d.network == nil {
		return errors.New("it has a network, and this driver has none: configure one")
	}
	if i.handle.Network {
		if i.endpoint, err = d.network.Adopt(ctx, i.id, i.handle.Settings.Egress); err != nil {
			return err
		}
		// Nobody else would remove it.
		undo.Add(func() { d.logged(i.id, "remove network of sandbox", i.endpoint.Close()) })
	}
	i.group, err = d.cgroups.Adopt(i.id, d.hostLimits(i.handle.Settings.Limits))
	return err
}
