package microvmtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/cgroup"
	"github.com/nex-engine/nex/internal/network"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/microvm"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest/plan"
	"github.com/nex-engine/nex/internal/sandboxnet"
)

// Driver is a driver with the control groups that it uses, which Close gives back.
type Driver struct {
	*microvm.Driver
	groups *cgroup.Manager
}

// Close gives the control groups back.
func (d Driver) Close() error { return d.groups.Close() }

// NoSnapshots as Config.Snapshots has all machines boot.
const NoSnapshots = "none"

// NewDriver makes a driver for machines with the agent. Config.Dir is required; what else is missing is that of all
// tests, who share their snapshots.
func (r *Rig) NewDriver(c microvm.Config, agent string) (Driver, error) {
	name := sha256.Sum256([]byte(c.Dir))
	groups, err := cgroup.Open(cgroup.Config{Prefix: "nex-test-" + hex.EncodeToString(name[:6])})
	if err != nil {
		return Driver{}, err
	}
	c.Cgroups = groups
	if err := r.complete(&c, agent); err != nil {
		return Driver{}, errors.Join(err, groups.Close())
	}
	d, err := microvm.New(c)
	if err != nil {
		return Driver{}, errors.Join(err, groups.Close())
	}
	return Driver{d, groups}, nil
}

// complete sets what is missing.
func (r *Rig) complete(c *microvm.Config, agent string) (err error) {
	if c.VMM, err = r.Machines(); err != nil {
		return err
	}
	if c.Rootfs == "" {
		if c.Rootfs, err = r.Rootfs(agent); err != nil {
			return err
		}
	}
	if c.Kernel == "" {
		c.Kernel, c.Initrd = Part("kernel"), Part("initramfs")
	}
	switch c.Snapshots {
	case "":
		c.Snapshots = Part("snapshots")
	case NoSnapshots:
		c.Snapshots = ""
	}
	c.CPUs, c.MemoryBytes, c.DiskBytes = max(c.CPUs, 1), 256<<20, 64<<20
	if c.Logger == nil {
		c.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return nil
}

// Driver makes a driver for machines with the suite's agent, which is closed when the test ends.
func (r *Rig) Driver(t *testing.T, c microvm.Config) Driver {
	t.Helper()
	if c.Dir == "" {
		c.Dir = filepath.Join(t.TempDir(), "state")
	}
	d, err := r.NewDriver(c, r.Agent(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// Isolated is a driver whose sandboxes may have the network of that name.
func (r *Rig) Isolated(t *testing.T, name string, c microvm.Config) (Driver, *network.Manager) {
	t.Helper()
	m, err := network.Open(t.Context(), network.Config{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // after the driver
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	c.Network = sandboxnet.Of(m)
	return r.Driver(t, c), m
}

// Begin starts an agent with a plan, and destroys it when the test ends. What it prints comes by the channel.
func (d Driver) Begin(t *testing.T, spec sandbox.Spec, steps ...plan.Step) (sandbox.Instance, chan string) {
	t.Helper()
	said := make(chan string, 100)
	spec.Bootstrap = plan.Plan{Steps: steps}.Encode()
	spec.Log = func(line string) { said <- line }
	i, err := d.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Destroy(t, i) })
	return i, said
}

// Destroy destroys an agent.
func Destroy(t *testing.T, i sandbox.Instance) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if err := i.Destroy(ctx); err != nil {
		t.Error(err)
	}
}

// WantNothing checks that nothing is left in a directory.
func WantNothing(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	for _, e := range entries {
		t.Errorf("left: %s", e.Name())
	}
}

// WantSaid waits for a line with that beginning, and returns it.
func WantSaid(t *testing.T, said chan string, want string) string {
	t.Helper()
	line := await(t, said)
	if !strings.HasPrefix(line, want) {
		t.Errorf("the agent says %q, want %q", line, want)
	}
	return line
}
