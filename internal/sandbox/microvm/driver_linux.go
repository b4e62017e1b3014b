package microvm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/cgroup"
	"github.com/nex-engine/nex/internal/guest"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
	"github.com/nex-engine/nex/internal/sandboxdir"
	"github.com/nex-engine/nex/internal/sandboxnet"
	"github.com/nex-engine/nex/internal/unwind"
)

// Keys of log attributes.
const (
	attrAgent = "agent"
	attrError = "error"
)

// undoTimeout bounds each step of undoing.
const undoTimeout = 5 * time.Second

// Driver starts agents in microVMs. It is safe for concurrent use.
type Driver struct {
	vmm                    vmm.VMM
	kernel, initrd, rootfs string
	memory, disk           int64
	cpus                   int
	dir                    string
	startTimeout           time.Duration
	log                    *slog.Logger

	snapshots snapshots
	images    images

	cgroups *cgroup.Manager    // nil: none
	network sandboxnet.Network // nil: none
	owned   sandboxdir.Owned
}

var (
	_ sandbox.Driver  = (*Driver)(nil)
	_ sandbox.Adopter = (*Driver)(nil)
)

// New checks the configuration. It makes nothing, and does not try whether machines can be started here: see
// [Check].
func New(c Config) (*Driver, error) {
	if c.VMM == nil {
		return nil, errors.New("sandbox driver microvm: there is no program to run machines: install firecracker or QEMU")
	}
	if c.Dir == "" {
		return nil, errors.New("sandbox driver microvm: Dir is missing: set the node's data directory")
	}
	if c.MemoryBytes < 0 || c.DiskBytes < 0 || c.CPUs < 0 || c.StartTimeout < 0 {
		return nil, errors.New("sandbox driver microvm: a size of the machine template is negative: leave it out for the default")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("sandbox driver microvm: find directory %s: %w", c.Dir, err)
	}
	d := &Driver{
		vmm: c.VMM, dir: dir, log: c.Logger, cgroups: c.Cgroups, network: c.Network,
		images: images{dir: dir, making: make(chan struct{}, 1), used: map[string]*imageDisk{}},
		memory: c.MemoryBytes, disk: c.DiskBytes, cpus: c.CPUs, startTimeout: c.StartTimeout,
	}
	if d.kernel, err = findFile("kernel", "kernel_filepath", c.Kernel); err != nil {
		return nil, err
	}
	if d.rootfs, err = findFile("root file system", "rootfs_filepath", c.Rootfs); err != nil {
		return nil, err
	}
	if c.Initrd != "" {
		if d.initrd, err = findFile("initrd", "initrd_filepath", c.Initrd); err != nil {
			return nil, err
		}
	}
	if c.Snapshots != "" {
		if d.snapshots.dir, err = filepath.Abs(c.Snapshots); err != nil {
			return nil, fmt.Errorf("sandbox driver microvm: find directory %s: %w", c.Snapshots, err)
		}
	}
	d.setDefaults()
	if err := d.checkFiles(); err != nil {
		return nil, fmt.Errorf("sandbox driver microvm: %w", err)
	}
	return d, nil
}

func (d *Driver) setDefaults() {
	if d.memory == 0 {
		d.memory = DefaultMemoryBytes
	}
	if d.disk == 0 {
		d.disk = DefaultDiskBytes
	}
	if d.cpus == 0 {
		d.cpus = min(runtime.NumCPU(), MaxDefaultCPUs)
	}
	if d.startTimeout == 0 {
		d.startTimeout = DefaultStartTimeout
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	d.images.log = d.log
}

// Check reports whether machines can be started here with this configuration. The error says what does not work and
// the one thing to do. It starts no agent.
func Check(ctx context.Context, c Config) error {
	d, err := New(c)
	if err != nil {
		return err
	}
	return d.vmm.Check(ctx)
}

// Capabilities says what the driver's sandboxes are like.
func (d *Driver) Capabilities() sandbox.Capabilities {
	return sandbox.Capabilities{
		Driver:  Name,
		Level:   nex.SandboxMicroVM,
		OS:      runtime.GOOS,
		Arch:    runtime.GOARCH,
		LinkDir: LinkDir,
		Network: d.network != nil && isRoot(),
		Images:  d.network != nil && isRoot(), // they are services
		Limits:  d.limits(),

		StartTimeout: d.startTimeout,
	}
}

// isRoot reports whether the node may make namespaces and change users.
func isRoot() bool { return os.Geteuid() == 0 }

// Start starts an agent. See [sandbox.Driver].
func (d *Driver) Start(ctx context.Context, spec sandbox.Spec) (sandbox.Instance, error) {
	i, err := d.start(ctx, spec, true)
	if bad, ok := errors.AsType[snapshotError](err); ok {
		d.log.Warn("a machine has to boot, because it did not go on from a snapshot", attrAgent, spec.ID, attrError, bad)
		i, err = d.start(ctx, spec, false)
	}
	if err != nil {
		return nil, fmt.Errorf("start agent in a microVM: %w", err) // and no nil instance in an interface
	}
	return i, nil
}

// start starts an agent in a machine that boots, or may go on from a snapshot: then a [snapshotError] is of use.
func (d *Driver) start(ctx context.Context, spec sandbox.Spec, resume bool) (_ *instance, err error) {
	var undo unwind.Stack
	defer undo.RunOnError(&err)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err := d.accept(spec); err != nil {
		return nil, err
	}
	if err := d.owned.Take(spec.ID); err != nil {
		return nil, err
	}
	undo.Add(func() { d.owned.Release(spec.ID) })
	disk, release, err := d.images.disk(ctx, spec.Rootfs)
	if err != nil {
		return nil, err
	}
	defer release() // the machine has it then
	i, err := d.newMachine(ctx, spec, disk, resume, &undo)
	if err != nil {
		return nil, err
	}
	if spec.Network {
		if i.endpoint, err = d.network.Attach(ctx, spec.ID, spec.Settings.Egress); err != nil {
			return nil, err
		}
		undo.Add(func() { d.logged(spec.ID, "remove network of sandbox", i.endpoint.Close()) })
	}
	if i.group, err = d.cgroups.Create(spec.ID, d.hostLimits(spec.Settings.Limits)); err != nil {
		return nil, err
	}
	undo.Add(func() {
		ctx, cancel := undoing(ctx)
		defer cancel()
		d.logged(spec.ID, "remove control group of sandbox", i.group.Remove(ctx))
	})
	if err := i.launch(ctx, spec); err != nil {
		return nil, err
	}
	return i, nil
}

// newMachine makes what a machine is on disk. The disk image has the root of a container image, and is empty if there is
// none.
func (d *Driver) newMachine(ctx context.Context, spec sandbox.Spec, image string, resume bool, undo *unwind.Stack) (*instance, error) {
	diskBytes := d.diskBytes(spec.Settings.Limits)
	snapshot := ""
	if resume && image == "" {
		var err error
		if snapshot, err = d.snapshot(ctx, kind{diskBytes, spec.Network}); err != nil {
			return nil, err
		}
	}
	user := userOf(spec.ID)
	h, err := makeHome(d.dir, spec.ID, diskBytes, snapshot, user)
	if err != nil {
		return nil, d.blame(ctx, snapshot, err)
	}
	undo.Add(func() { d.logged(spec.ID, "remove sandbox directory", sandboxdir.Remove(string(h))) })
	m := d.machine(h, user)
	m.Snapshot, m.Rates = snapshot, d.rates(spec.Settings.Limits)
	if image != "" {
		m.Disks = append(m.Disks, vmm.Disk{Path: image, ReadOnly: true})
	}
	return newInstance(d, h, handle{Machine: m, LinkDir: spec.LinkDir, Network: spec.Network, Settings: spec.Settings}), nil
}

// machine is what all machines are, before they have a network.
func (d *Driver) machine(h home, user *vmm.User) vmm.Machine {
	m := vmm.Machine{
		ID: h.id(), Dir: h.vmm(), User: user,
		Kernel: d.kernel, Initrd: d.initrd, Cmdline: Cmdline(d.initrd),
		MemoryBytes: (d.memory + GuestOverhead + 1<<20 - 1) >> 20 << 20, CPUs: d.cpus,
		Disks: []vmm.Disk{{Path: d.rootfs, ReadOnly: true}, {Path: h.disk()}},
	}
	return m
}

// accept refuses what cannot be started here.
func (d *Driver) accept(spec sandbox.Spec) error {
	if err := sandboxdir.CheckID(spec.ID); err != nil {
		return err
	}
	if err := d.checkFiles(); err != nil {
		return err
	}
	if spec.Network && d.network == nil {
		return errors.New("sandboxes of this driver have no network: configure one")
	}
	if spec.Network && !isRoot() {
		return errors.New("a sandbox gets a network only from a node that runs as root: run it as root")
	}
	if n := len(spec.Bootstrap); n > guest.MaxBootstrap { // which is not to be blamed on a machine
		return fmt.Errorf("the bootstrap document has %d bytes, and may have %d", n, guest.MaxBootstrap)
	}
	return d.acceptLimits(spec.Settings.Limits)
}

// undoing is a context for undoing what could not be finished, also when that was for want of time: a machine
// that hangs must not keep us for ever.
func undoing(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
}

func (d *Driver) logged(id, what string, err error) {
	if err != nil {
		d.log.Error(what, attrAgent, id, attrError, err)
	}
}
