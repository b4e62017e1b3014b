package gvisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/cgroup"
	"github.com/nex-engine/nex/internal/sandbox"
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

// Driver starts agents in gVisor sandboxes. It is safe for concurrent use.
type Driver struct {
	runsc runsc
	agent string
	dir   string
	log   *slog.Logger

	cgroups *cgroup.Manager    // nil: none
	network sandboxnet.Network // nil: none
	rootfs  *rootfs
	owned   sandboxdir.Owned
}

var (
	_ sandbox.Driver  = (*Driver)(nil)
	_ sandbox.Adopter = (*Driver)(nil)
)

// New checks the configuration. It makes nothing, and does not try whether sandboxes can be started here:
// see [Check].
func New(c Config) (*Driver, error) {
	if c.Dir == "" {
		return nil, errors.New("sandbox driver gvisor: Dir is missing: set the node's data directory")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("sandbox driver gvisor: find directory %s: %w", c.Dir, err)
	}
	if strings.ContainsAny(dir, ",:") {
		return nil, fmt.Errorf("sandbox driver gvisor: directory %s has a comma or colon in its path, which runsc cannot take: choose another", dir)
	}
	program, err := findProgram("runsc program", c.Runsc)
	if err != nil {
		return nil, err
	}
	agent, err := findProgram("agent program", c.AgentPath)
	if err != nil {
		return nil, err
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	d := &Driver{
		runsc: runsc{path: program, rootless: os.Geteuid() != 0},
		agent: agent, dir: dir, log: c.Logger,
		cgroups: c.Cgroups, network: c.Network,
		rootfs: &rootfs{dir: dir},
	}
	if c.Network != nil {
		d.rootfs.nameserver = c.Network.Nameserver()
	}
	return d, nil
}

// findProgram returns the absolute path of a program if everybody can run it: in a sandbox it is run by
// users who are nobody on the host.
func findProgram(what, path string) (string, error) {
	if path == "" {
		return "", fmt.Errorf("%s is missing: set bin_path to its directory", what)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("%s %s cannot be run: %w", what, path, err)
	}
	info, err := os.Stat(abs)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s %s cannot be run: set bin_path to its directory: %w", what, abs, err)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s %s is no file: set bin_path to its directory", what, abs)
	case info.Mode().Perm()&0o005 != 0o005:
		return "", fmt.Errorf("%s %s cannot be run by everybody, as sandboxes need it: chmod a+rx it", what, abs)
	}
	return abs, nil
}

// Capabilities says what the driver's sandboxes are like.
func (d *Driver) Capabilities() sandbox.Capabilities {
	return sandbox.Capabilities{
		Driver:  Name,
		Level:   nex.SandboxGVisor,
		OS:      runtime.GOOS,
		Arch:    runtime.GOARCH,
		LinkDir: LinkDir,
		Network: d.network != nil && !d.runsc.rootless,
		Images:  true,
		Limits:  d.limits(),
	}
}

// Start starts an agent. See [sandbox.Driver].
func (d *Driver) Start(ctx context.Context, spec sandbox.Spec) (sandbox.Instance, error) {
	i, err := d.start(ctx, spec, nil)
	if err != nil {
		return nil, err // and no nil instance in an interface
	}
	return i, nil
}

// start starts the agent with arguments.
func (d *Driver) start(ctx context.Context, spec sandbox.Spec, args []string) (_ *instance, err error) {
	var undo unwind.Stack
	defer undo.RunOnError(&err)
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("start agent: %w", context.Cause(ctx))
	}
	if err := d.accept(spec); err != nil {
		return nil, fmt.Errorf("start agent: %w", err)
	}
	root, err := d.rootfs.ready()
	if err != nil {
		return nil, err
	}
	if err := d.owned.Take(spec.ID); err != nil {
		return nil, fmt.Errorf("start agent: %w", err)
	}
	undo.Add(func() { d.owned.Release(spec.ID) })
	h, err := makeHome(d.dir, spec.ID)
	if err != nil {
		return nil, err
	}
	undo.Add(func() { d.logged(spec.ID, "remove sandbox directory", sandboxdir.Remove(string(h))) })

	i := newInstance(d, h, handle{
		Root: filepath.Base(root), Rootfs: spec.Rootfs, Network: spec.Network, Settings: spec.Settings,
	})
	if spec.Network {
		if i.endpoint, err = d.network.Attach(ctx, spec.ID, spec.Settings.Egress); err != nil {
			return nil, fmt.Errorf("start agent: %w", err)
		}
		undo.Add(func() { d.logged(spec.ID, "remove network of sandbox", i.endpoint.Close()) })
	}
	if i.group, err = d.cgroups.Create(spec.ID, d.hostLimits(spec.Settings.Limits)); err != nil {
		return nil, fmt.Errorf("start agent: %w", err)
	}
	undo.Add(func() {
		ctx, cancel := undoing(ctx)
		defer cancel()
		d.logged(spec.ID, "remove control group of sandbox", i.group.Remove(ctx))
	})
	if err := d.giveWaker(spec); err != nil {
		return nil, fmt.Errorf("start agent: %w", err)
	}
	if err := h.describe(d.describe(h, root, spec, i.endpoint, args)); err != nil {
		return nil, err
	}
	if err := i.launch(ctx, spec); err != nil {
		return nil, fmt.Errorf("start agent %s in a sandbox: %w", d.agent, err)
	}
	return i, nil
}

// accept refuses what cannot be started here.
func (d *Driver) accept(spec sandbox.Spec) error {
	if err := sandboxdir.CheckID(spec.ID); err != nil {
		return err
	}
	if _, err := findProgram("agent program", d.agent); err != nil {
		return err
	}
	if spec.Network && d.network == nil {
		return errors.New("sandboxes of this driver have no network: configure one")
	}
	if spec.Network && d.runsc.rootless {
		return errors.New("a sandbox gets a network only from a node that runs as root: run it as root")
	}
	if l := spec.Settings.Limits; l.OpenFiles < 0 || l.DiskBytes < 0 {
		return errors.New("a limit is negative: 0 is no limit")
	}
	if spec.Rootfs != "" {
		return checkImage(spec.Rootfs)
	}
	return nil
}

// giveWaker lets the agent, and no other user inside, use the FIFO by which the node wakes it, if there is one.
func (d *Driver) giveWaker(spec sandbox.Spec) error {
	if spec.LinkDir == "" {
		return nil
	}
	path := filepath.Join(spec.LinkDir, agentlink.WakeName)
	var err error
	if d.runsc.rootless {
		err = os.Chmod(path, 0o666) // nobody can be given anything, and inside there is no other user
	} else {
		err = os.Lchown(path, agentUser(spec), agentUser(spec))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("give the agent its FIFO: %w", err)
	}
	return nil
}

// undoing is a context for undoing what could not be finished, also when that was for want of time: a kernel
// inside that hangs must not keep us for ever.
func undoing(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
}

func (d *Driver) logged(id, what string, err error) {
	if err != nil {
		d.log.Error(what, attrAgent, id, attrError, err)
	}
}
