package microvm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/guest"
	"github.com/nex-engine/nex/internal/proctree"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
	"github.com/nex-engine/nex/internal/sandboxdir"
	"github.com/nex-engine/nex/internal/unwind"
)

// handleVersion changes with handle, and with anything in the directory of a sandbox, inside it or in how it is
// run that a later version of the driver has to know.
const handleVersion = 2

// handle is what the driver has to know of a sandbox to take it over, besides its process.
type handle struct {
	// VMM is the name of the program that runs the machine.
	VMM      string           `json:"vmm"`
	Machine  vmm.Machine      `json:"machine"`
	LinkDir  string           `json:"link_dir,omitempty"`
	Network  bool             `json:"network,omitempty"`
	Settings sandbox.Settings `json:"settings"`
}

// record writes down how the sandbox is to be taken over. Before it is called for the first time it cannot be.
func (i *instance) record(h handle) error {
	h.VMM, h.Machine = i.driver.vmm.Name(), i.machine
	h.Machine.Rates = i.driver.rates(h.Settings.Limits)
	r := sandboxdir.Record{Process: i.process}
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
	if err := i.watchStranger(&undo); err != nil {
		return nil, err
	}
	i.console = i.listen(log)
	if i.output, err = sandboxdir.OpenOutput(i.home.output(), i.console.line); err != nil {
		return nil, err
	}
	undo.Add(func() { i.output.End(0) })
	if i.complain.output, err = sandboxdir.OpenOutput(i.home.complaints(), i.complain.line); err != nil {
		return nil, err
	}
	undo.Add(func() { i.complain.output.End(0) })
	if err := i.takeOver(ctx, &undo); err != nil {
		return nil, err
	}
	s, err := i.greet(ctx, &undo)
	if err != nil {
		return nil, err
	}
	go i.keep(s, false) // ends with the process
	go i.run()          // ends with that; Destroy waits for it
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
	if !r.Process.Running() {
		return nil, sandbox.ErrGone
	}
	var h handle
	if err := r.ReadHandle(handleVersion, &h); err != nil {
		return nil, err
	}
	if name := d.vmm.Name(); h.VMM != name {
		return nil, fmt.Errorf("its machine is run by %q, and machines of this node by %s", h.VMM, name)
	}
	i := newInstance(d, at, h)
	i.process = r.Process
	return i, nil
}

// watchStranger watches the process, which is not a child of this one.
func (i *instance) watchStranger(undo *unwind.Stack) error {
	ended, release, err := proctree.Watch(i.process)
	if errors.Is(err, proctree.ErrNotFound) {
		return sandbox.ErrGone
	}
	if err != nil {
		return err
	}
	given := make(chan struct{})
	go i.watch(func() (nex.Exit, bool) {
		defer release()
		select {
		case <-ended:
			return nex.Exit{Code: -1}, true // its parent knows
		case <-given:
			return nex.Exit{}, false
		}
	}) // ends with the process, or if it is not taken over
	undo.Add(func() {
		close(given)
		<-i.gone
	})
	return nil
}

// takeOver takes over what the sandbox has besides its process.
func (i *instance) takeOver(ctx context.Context, undo *unwind.Stack) (err error) {
	d := i.driver
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
	if i.group, err = d.cgroups.Adopt(i.id, d.hostLimits(i.handle.Settings.Limits)); err != nil {
		return err
	}
	undo.Add(i.group.Abandon)
	return nil
}

// greet connects to the init, and looks whether it is the one.
func (i *instance) greet(ctx context.Context, undo *unwind.Stack) (*guest.Session, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, i.driver.startTimeout, silentError{i.driver.startTimeout})
	defer cancel()
	s, err := i.reach(ctx)
	if errors.Is(err, errEnded) {
		return nil, sandbox.ErrGone
	}
	if err != nil {
		return nil, err
	}
	undo.Add(func() { _ = s.Close() })
	state, err := s.State(ctx)
	switch {
	case err != nil && i.life.Err() != nil:
		return nil, sandbox.ErrGone
	case err != nil:
		return nil, err
	case state.ID != i.id || !state.Booted:
		return nil, fmt.Errorf("its machine says that it is %q", state.ID)
	}
	for _, name := range state.Staged {
		i.staged[sandbox.Purpose(name)] = true
	}
	return s, nil
}
