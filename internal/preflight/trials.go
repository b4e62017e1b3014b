package preflight

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"strings"

	"github.com/nex-engine/nex/internal/cgroup"
	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/gvisor"
)

// Trials try what sandboxes need, and leave nothing behind.
type Trials struct {
	// GVisor starts a sandbox of level gvisor, with an agent in it, and ends it. It gets the paths of the
	// programs.
	GVisor func(ctx context.Context, runsc, agent string) error
	// MicroVM tries whether virtual machines run, with those files and programs.
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
		t.KVM = tryKVM
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
