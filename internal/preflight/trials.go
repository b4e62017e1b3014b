package preflight

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nex-engine/nex/internal/cgroup"
	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/gvisor"
	"github.com/nex-engine/nex/internal/sandbox/microvm"
	"github.com/nex-engine/nex/internal/sandbox/microvm/setup"
)

// Trials try what sandboxes need, and leave nothing behind.
type Trials struct {
	// GVisor starts a sandbox of level gvisor, with an agent in it, and ends it. It gets the paths of the
	// programs.
	GVisor func(ctx context.Context, runsc, agent string) error
	// MicroVM starts a virtual machine with those files and programs, until the agent in it runs, and ends it.
	MicroVM func(ctx context.Context, m Machine) error
	// KVM tries whether that of this machine can be used, in two seconds at most.
	KVM func(ctx context.Context) error
	// Limits finds out which limits hold.
	Limits func() (sandbox.LimitSet, error)
	// Network makes the network of sandboxes and removes it. The error is ErrNoRights if this user may not.
	Network func(ctx context.Context, c config.Config) error
}

// ErrNoRights is why a node that runs no services can do without a network.
var ErrNoRights = errors.New("this user may not make networks")

// orReal fills in what is missing.
func (t Trials) orReal() Trials {
	if t.GVisor == nil {
		t.GVisor = tryGVisor
	}
	if t.MicroVM == nil {
		t.MicroVM = tryMicroVM
	}
	if t.KVM == nil {
		t.KVM = setup.TryKVM
	}
	if t.Limits == nil {
		t.Limits = tryLimits
	}
	if t.Network == nil {
		t.Network = tryNetwork
	}
	return t
}

func tryGVisor(ctx context.Context, runsc, agent string) error {
	dir, err := os.MkdirTemp("", "nex-preflight-")
	if err != nil {
		return err
	}
	err = gvisor.Check(ctx, gvisor.Config{Runsc: runsc, AgentPath: agent, Dir: dir})
	return errors.Join(err, os.RemoveAll(dir))
}

// endTimeout bounds the end of a machine that was tried.
const endTimeout = 20 * time.Second

// tryMicroVM starts a machine as a node would, until the agent in it runs, and ends it. Where machines are emulated
// that takes seconds.
func tryMicroVM(ctx context.Context, m Machine) (err error) {
	v, err := setup.Choose(ctx, m.Programs, m.NoKVM, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "nex-preflight-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	c := microvm.Config{VMM: v, Kernel: m.Kernel, Rootfs: m.Rootfs, MemoryBytes: m.MemoryBytes, Dir: filepath.Join(dir, "sandbox")}
	if m.Modules != "" {
		initrd, err := setup.Initrd(m.Kernel, m.Modules, m.Init)
		if err != nil {
			return err
		}
		c.Initrd = filepath.Join(dir, "initrd.img")
		if err := os.WriteFile(c.Initrd, initrd, 0o600); err != nil {
			return err
		}
	}
	if err := microvm.Check(ctx, c); err != nil {
		return err
	}
	d, err := microvm.New(c)
	if err != nil {
		return err
	}
	// The agent ends when it has read what it is to do.
	i, err := d.Start(ctx, sandbox.Spec{ID: "check" + strings.ToLower(rand.Text()), Bootstrap: []byte("{}")})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	return i.Destroy(ctx)
}

// tryLimits makes the group that a node would make, under a name that no node has.
func tryLimits() (sandbox.LimitSet, error) {
	m, err := cgroup.Open(cgroup.Config{Prefix: "nex-preflight-" + anybody()})
	if err != nil {
		return sandbox.LimitSet{}, err
	}
	held := m.Limits()
	return held, m.Close()
}

// anybody is a name that nobody else has: six small letters and digits.
func anybody() string { return strings.ToLower(rand.Text()[:6]) }
