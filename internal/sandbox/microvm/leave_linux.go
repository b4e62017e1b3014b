package microvm

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
	"github.com/nex-engine/nex/internal/sandboxdir"
	"github.com/nex-engine/nex/internal/unwind"
)

// anyMAC is the hardware address that a machine has until it is told its own.
const anyMAC = "02:00:00:00:00:01"

// makeSnapshot boots a machine and leaves it at path. While it is made it is a sandbox like others, so that Sweep
// finds it.
func (d *Driver) makeSnapshot(ctx context.Context, path string, of kind) (err error) {
	var undo unwind.Stack
	defer undo.Run() // also when all is well
	id := "snapshot" + strings.ToLower(rand.Text())[:20]
	if err := d.owned.Take(id); err != nil {
		return err
	}
	undo.Add(func() { d.owned.Release(id) })
	user := userOf(id)
	h, err := makeHome(d.dir, id, of.disk, "", user)
	if err != nil {
		return err
	}
	undo.Add(func() {
		d.logged(id, "remove directory of a machine that was to leave a snapshot", sandboxdir.Remove(string(h)))
	})
	left, err := h.makeLeaves(user)
	if err != nil {
		return err
	}
	m := d.machine(h, user)
	m.Leaves = left
	namespace := ""
	if of.network {
		ns, err := newNamespace(user)
		if err != nil {
			return err
		}
		undo.Add(func() { _ = ns.Close() })
		namespace, m.Network = pathOf(ns), &vmm.NIC{Tap: tapName, MAC: anyMAC}
	}
	i := newInstance(d, h, handle{Machine: m})
	i.namespace = namespace
	if i.group, err = d.cgroups.Create(id, d.hostLimits(sandbox.Limits{})); err != nil {
		return err
	}
	undo.Add(func() {
		ctx, cancel := undoing(ctx)
		defer cancel()
		d.logged(id, "remove control group", i.group.Remove(ctx))
	})
	if err := i.begin(nil, func() { close(i.talk.kept) }); err != nil {
		return err
	}
	err = i.leave(ctx)
	i.discard(ctx)
	if err != nil {
		if said := i.complaint(); said != "" {
			err = fmt.Errorf("%w: %s", err, said)
		}
		return err
	}
	if err := copyDisk(filepath.Join(left, diskFile), h.disk()); err != nil {
		return err
	}
	return os.Rename(left, path)
}

// leave lets the machine run until its init calls, and has it leave its snapshot.
func (i *instance) leave(ctx context.Context) error {
	d := i.driver
	ctx, cancel := context.WithTimeoutCause(ctx, d.startTimeout, silentError{d.startTimeout})
	defer cancel()
	defer context.AfterFunc(i.life, cancel)()
	if err := d.vmm.Boot(ctx, i.machine); err != nil {
		return err
	}
	s, err := i.reach(ctx)
	if err != nil {
		if i.life.Err() != nil {
			err = errEnded
		}
		return err
	}
	_, err = s.State(ctx)
	_ = s.Close() // each machine begins one of its own
	if err != nil {
		return err
	}
	return d.vmm.Snapshot(ctx, i.machine, i.machine.Leaves)
}
