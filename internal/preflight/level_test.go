package preflight_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/preflight"
	"github.com/nex-engine/nex/internal/preflight/checklist"
	"github.com/nex-engine/nex/internal/sandbox"
)

// works are trials that succeed.
func works() preflight.Trials {
	return preflight.Trials{
		GVisor:  func(context.Context, string, string) error { return nil },
		MicroVM: func(context.Context, preflight.Machine) error { return nil },
		KVM:     func(context.Context) error { return nil },
		Limits:  func() (sandbox.LimitSet, error) { return sandbox.LimitSet{Memory: true, CPUs: true, PIDs: true}, nil },
		Network: func(context.Context, config.Config) error { return nil },
	}
}

// fails are trials that do not.
func fails() preflight.Trials {
	return preflight.Trials{
		GVisor: func(context.Context, string, string) error { return errors.New("seccomp is missing") },
		MicroVM: func(context.Context, preflight.Machine) error {
			return errors.New("the kernel is too old: get another")
		},
		KVM: func(context.Context) error { return errors.New("there is no /dev/kvm: switch virtualization on") },
		Limits: func() (sandbox.LimitSet, error) {
			return sandbox.LimitSet{Memory: true, Missing: "no controller cpu: boot with it"}, nil
		},
		Network: func(context.Context, config.Config) error {
			return fmt.Errorf("%w: run the node as root", preflight.ErrNoRights)
		},
	}
}

// programs makes a folder with what sandboxes need.
func programs(t *testing.T) (dir string) {
	t.Helper()
	dir = writeScript(t, "nex-agent", "echo "+nex.Version)
	write(t, filepath.Join(dir, "runsc"), "")
	chmod(t, filepath.Join(dir, "runsc"))
	return dir
}

func TestGVisor(t *testing.T) {
	t.Parallel()
	c := config.Default()
	c.BinPath = []string{programs(t)}
	var got [2]string
	trials := works()
	trials.GVisor = func(_ context.Context, runsc, agent string) error {
		got = [2]string{runsc, agent}
		return nil
	}
	g := preflight.GVisor(t.Context(), c, "my.json", trials)
	finding{name: "runsc"}.check(t, g)
	finding{name: "gvisor"}.check(t, g)
	if want := [2]string{filepath.Join(c.BinPath[0], "runsc"), filepath.Join(c.BinPath[0], "nex-agent")}; got != want {
		t.Errorf("tried with %q, want %q", got, want)
	}

	g = preflight.GVisor(t.Context(), c, "my.json", fails())
	finding{name: "runsc"}.check(t, g)
	finding{"gvisor", "(seccomp is missing): mend that, or, if you trust all that you deploy, set no_sandbox to true in my.json", false}.check(t, g)

	c.NoSandbox = true
	finding{"gvisor", "seccomp is missing", true}.check(t, preflight.GVisor(t.Context(), c, "my.json", fails()))
}

// What is missing is said, and then nothing is tried.
func TestGVisorWithoutPrograms(t *testing.T) {
	t.Parallel()
	trials := works()
	trials.GVisor = func(context.Context, string, string) error {
		t.Error("it was tried")
		return nil
	}
	c := config.Default()
	c.BinPath = []string{t.TempDir()}
	finding{"runsc", "put it beside nex", false}.check(t, preflight.GVisor(t.Context(), c, "my.json", trials))

	dir := writeScript(t, "runsc", "true")
	c.BinPath = []string{dir}
	g := preflight.GVisor(t.Context(), c, "my.json", trials)
	if got := (finding{name: "runsc"}).check(t, g); got.Path != filepath.Join(dir, "runsc") || len(g.Items) != 1 {
		t.Errorf("items = %+v, want runsc alone", g.Items)
	}
}

// The levels that a node does not use are no reason for alarm, and nothing is offered.
func TestOtherLevels(t *testing.T) {
	t.Parallel()
	finding{name: "none"}.check(t, preflight.None(true, "my.json"))
	got := finding{"none", "works here, and is used only if my.json or --no-sandbox says so", true}.check(t, preflight.None(false, "my.json"))
	if !got.Note {
		t.Errorf("none = %+v, want a note", got)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	c := config.Default()
	g := preflight.Limits(c, works())
	for _, name := range []string{"memory", "cpus", "pids"} {
		finding{name: name, optional: true}.check(t, g)
	}
	if len(g.Items) != 3 {
		t.Errorf("items = %+v, want none of rates that are not configured", g.Items)
	}
	g = preflight.Limits(c, fails())
	finding{name: "memory", optional: true}.check(t, g)
	finding{"cpus", "workloads are not held to it: no controller cpu: boot with it", true}.check(t, g)
	finding{name: "pids", optional: true}.check(t, g) // the sandbox sees to that
	c.NoSandbox = true
	finding{"pids", "no controller cpu", true}.check(t, preflight.Limits(c, fails()))

	c.RateLimiters = config.RateLimiters{Bandwidth: &config.TokenBucket{}, IOPS: &config.TokenBucket{}}
	trials := works()
	trials.Limits = func() (sandbox.LimitSet, error) { return sandbox.LimitSet{IOPS: true}, errors.New("no groups at all") }
	g = preflight.Limits(c, trials)
	finding{"memory", "no groups at all", true}.check(t, g)
	finding{"bandwidth", "no groups at all", false}.check(t, g)
	finding{name: "iops"}.check(t, g)
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	c := config.Default()
	c.CNI.Subnet = "10.1.2.0/24"
	trials := works()
	trials.Network = func(_ context.Context, got config.Config) error {
		if got.CNI.Subnet != c.CNI.Subnet {
			t.Errorf("tried with subnet %s, want %s", got.CNI.Subnet, c.CNI.Subnet)
		}
		return nil
	}
	finding{name: "network", optional: true}.check(t, preflight.Network(t.Context(), c, true, trials))
	finding{"network", "services and images cannot: this user may not make networks: run the node as root", true}.check(t, preflight.Network(t.Context(), c, true, fails()))
	trials.Network = func(context.Context, config.Config) error { return errors.New("the subnet is taken") }
	finding{"network", "a node does not start: the subnet is taken", false}.check(t, preflight.Network(t.Context(), c, true, trials))
	if got := find(t, preflight.Network(t.Context(), c, false, preflight.Trials{}), "network"); !got.Note {
		t.Errorf("where no sandbox starts: %+v, want a note", got)
	}
	c.NoSandbox = true
	if got := find(t, preflight.Network(t.Context(), c, true, fails()), "network"); !got.Note {
		t.Errorf("without a sandbox: %+v, want a note", got)
	}
}

// A machine on which everything works has nothing that is missing.
func TestAllGreen(t *testing.T) {
	t.Parallel()
	dir := private(t)
	c := preflight.Config{
		File: filepath.Join(dir, "config.json"), Required: true, DataDir: dir, NATS: refusing, Trials: works(),
	}
	write(t, c.File, `{"bin_path": ["`+programs(t)+`"], "public_nats_server": {"port": 4222}}`)
	groups, offers := preflight.Run(t.Context(), c)
	if len(offers) > 0 {
		t.Errorf("offers = %+v, want none", offers)
	}
	for _, g := range groups {
		for _, i := range g.Items {
			if !i.OK && !i.Note && g.Title != "NATS" && i.Name != "disk-space" {
				t.Errorf("%s: %+v", g.Title, i)
			}
		}
	}
	c.Trials = fails()
	groups, _ = preflight.Run(t.Context(), c)
	if got := checklist.Blocking(groups); got != 1 {
		t.Errorf("%d items block without a sandbox that works, want 1", got)
	}
}
