package node

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/binpath"
	"github.com/nex-engine/nex/internal/cgroup"
	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/gvisor"
	"github.com/nex-engine/nex/internal/sandbox/microvm"
	"github.com/nex-engine/nex/internal/sandbox/process"
	"github.com/nex-engine/nex/internal/sandboxdir"
	"github.com/nex-engine/nex/internal/sandboxnet"
)

// sweepTimeout bounds the removal of what an earlier node process left.
const sweepTimeout = 30 * time.Second

// openDriver chooses the level of sandboxes, the strongest that works here unless the configuration asks
// for none.
func (n *node) openDriver(ctx context.Context) error {
	var err error
	if n.agentPath, err = binpath.Find("nex-agent", n.cfg.Settings.BinPath); err != nil {
		return err
	}
	if n.groups, err = cgroup.Open(cgroup.Config{Prefix: "nex-" + n.shortName(), Logger: n.log}); err != nil {
		return err
	}
	n.onClose(func() {
		n.orLeave(func() { n.closed("control groups", n.groups.Close()) }, func() { n.closed("control groups", n.groups.Leave()) })
	})
	if n.cfg.Settings.NoSandbox {
		err = n.openProcess()
	} else {
		err = n.openSandboxes(ctx)
	}
	if err != nil {
		return err
	}
	if n.driver.Capabilities().HostNetwork && !n.cfg.Settings.Egress.IsZero() {
		return fmt.Errorf("the configuration has egress, which workloads of level %s are not held to, because they have no network of their own: remove it, or run them in sandboxes", n.driver.Capabilities().Level)
	}
	if err := checkRates(n.cfg.Settings.RateLimiters, n.driver.Capabilities()); err != nil {
		return err
	}
	n.tellMissing()
	return nil
}

// shortName tells the nodes of a machine apart in the names of what they make on it.
func (n *node) shortName() string {
	sum := sha256.Sum256([]byte(n.id))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:6])
}

func (n *node) openProcess() error {
	d, err := process.New(process.Config{AgentPath: n.agentPath, Dir: n.sandboxDir(process.Name), Cgroups: n.groups, Logger: n.log})
	if err != nil {
		return err
	}
	n.log.Warn("workloads run WITHOUT a sandbox, as ordinary processes of this user: run only what you trust", "agent", n.agentPath)
	n.driver = d
	return nil
}

// openSandboxes takes the strongest level that works here. None is passed over at which workloads still run.
func (n *node) openSandboxes(ctx context.Context) error {
	machines, noMicroVM := n.checkMicroVM(ctx)
	if noMicroVM == nil {
		return n.openMicroVM(ctx, machines)
	}
	if err := n.stay(nex.SandboxMicroVM, noMicroVM); err != nil {
		return err
	}
	cfg, noGVisor := n.checkGVisor(ctx)
	if noGVisor != nil {
		if err := n.stay(nex.SandboxGVisor, noGVisor); err != nil {
			return err
		}
		return fmt.Errorf("no sandbox works on this machine, and workloads run without one only when that is asked for (--no-sandbox, or no_sandbox in the configuration): microvm: %w; gvisor: %w", noMicroVM, noGVisor)
	}
	return n.openGVisor(ctx, cfg, noMicroVM)
}

// checkGVisor reports why that level is not to be had, if it is not.
func (n *node) checkGVisor(ctx context.Context) (gvisor.Config, error) {
	cfg := gvisor.Config{AgentPath: n.agentPath, Dir: n.sandboxDir(gvisor.Name), Cgroups: n.groups, Logger: n.log}
	var err error
	if cfg.Runsc, err = binpath.Find("runsc", n.cfg.Settings.BinPath); err != nil {
		return cfg, err
	}
	if n.ran(nex.SandboxGVisor) { // then it works, and what runs waits for its node
		return cfg, nil
	}
	return cfg, gvisor.Check(ctx, cfg)
}

func (n *node) openGVisor(ctx context.Context, cfg gvisor.Config, noMicroVM error) error {
	network, err := n.networkForServices(ctx)
	if err != nil {
		return err
	}
	cfg.Network = network.Network
	d, err := gvisor.New(cfg)
	if err != nil {
		return err
	}
	level := slog.LevelInfo
	if n.cfg.Settings.NamesMachines() { // and somebody expects it
		level = slog.LevelWarn
	}
	n.log.Log(ctx, level, "workloads run in sandboxes", "level", nex.SandboxGVisor, "passed_over", map[nex.SandboxLevel]string{nex.SandboxMicroVM: noMicroVM.Error()})
	n.driver = d
	return nil
}

// networkForServices opens the network of the sandboxes. It is empty if there is none and nobody needs one.
func (n *node) networkForServices(ctx context.Context) (sandboxNetwork, error) {
	network, err := n.openNetwork(ctx)
	switch {
	case err == nil:
		n.onClose(func() { n.orLeave(network.close, network.leave) })
		n.serviceURL = network.natsURL
	case errors.Is(err, errNoNetwork) && n.runs(nex.WorkloadType.Function):
		n.log.Warn("this node runs functions only: services need a network in their sandboxes", "error", err)
	default:
		return sandboxNetwork{}, fmt.Errorf("services need a network in their sandboxes: %w", err)
	}
	return network, nil
}

// sandboxNetwork is the network of the sandboxes.
type sandboxNetwork struct {
	sandboxnet.Network        // nil if there is none
	natsURL            string // of the server for workloads, as they reach it
	close              func()
	leave              func() // gives it up without ending what sandboxes have of it
}

// errNoNetwork is why a node that may not make networks has none.
var errNoNetwork = errors.New("this node may not make networks")

// runs reports whether the configuration accepts a type of workload.
func (n *node) runs(is func(nex.WorkloadType) bool) bool {
	for _, t := range n.cfg.Settings.WorkloadTypes {
		if is(t) {
			return true
		}
	}
	return false
}

func (n *node) sandboxDir(driver string) string {
	return filepath.Join(n.cfg.DataDir, "sandbox", driver)
}

// checkRates refuses rate limits that nobody would enforce.
func checkRates(r config.RateLimiters, c sandbox.Capabilities) error {
	for _, limit := range []struct {
		field       string
		wanted, has bool
	}{
		{"rate_limiters.bandwidth", r.Bandwidth != nil, c.Limits.Bandwidth},
		{"rate_limiters.iops", r.IOPS != nil, c.Limits.IOPS},
	} {
		if limit.wanted && !limit.has {
			return fmt.Errorf("the configuration has %s, which sandboxes of level %s cannot enforce here: remove it", limit.field, c.Level)
		}
	}
	return nil
}

// tellMissing says which limits do not hold, or are none.
func (n *node) tellMissing() {
	if t := n.cfg.Settings.MachineTemplate; t.VCPUCount > runtime.NumCPU() {
		n.log.Warn("machine_template gives workloads more processors than there are", "vcpu_count", t.VCPUCount, "processors", runtime.NumCPU())
	}
	l := n.driver.Capabilities().Limits
	all := l.Memory && l.CPUs && l.PIDs && l.OpenFiles && l.Disk // rates are refused if they are asked for
	if l.Missing != "" && !all {
		n.log.Warn("some limits of workloads do not hold on this machine", "because", l.Missing,
			"memory", l.Memory, "cpu", l.CPUs, "pids", l.PIDs, "open_files", l.OpenFiles, "disk", l.Disk)
	}
}

// sweep removes what an earlier node process left, and reports whether that is all. What cannot be removed
// keeps nobody from working.
func (n *node) sweep(ctx context.Context, d sandbox.Driver) bool {
	sweeper, ok := d.(sandbox.Sweeper)
	if !ok {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	swept, err := sweeper.Sweep(ctx)
	if err != nil {
		n.log.Error("something of an earlier node process is left", "error", err)
	}
	if swept > 0 {
		n.log.Warn("removed sandboxes that an earlier node process left", "sandboxes", swept)
	}
	return err == nil
}

// markers are the variables that drivers give the processes of a sandbox, with its id.
var markers = map[string]string{
	process.Name: process.AgentIDVariable, gvisor.Name: gvisor.AgentIDVariable, microvm.Name: microvm.AgentIDVariable,
}

// sweepOther does the same for the levels that this node had before, if they were others.
func (n *node) sweepOther(ctx context.Context) {
	for name, marker := range markers {
		dir := n.sandboxDir(name)
		if name == n.driver.Capabilities().Driver || isEmpty(dir) {
			continue
		}
		if err := n.sweepDir(ctx, dir, marker); err != nil {
			n.log.Error("something of an earlier node process is left", "dir", dir, "error", err)
		}
	}
}

// sweepDir removes the sandboxes of a driver that is not in use any more, and its directory, or the next start
// would do all this again.
func (n *node) sweepDir(ctx context.Context, dir, marker string) error {
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	_, err := n.groups.Sweep(ctx) // it kills
	swept, failed := sandboxdir.Sweep(ctx, dir, marker, nil, n.log)
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	if swept > 0 {
		n.log.Warn("removed sandboxes that an earlier node process left", "sandboxes", swept)
	}
	if !n.driver.Capabilities().Network { // or the driver sweeps that
		if network, err := n.openNetwork(ctx); err == nil { // whoever may make none has left none
			defer network.close()
			if _, err := network.Sweep(ctx); err != nil {
				return err
			}
		}
	}
	return os.RemoveAll(dir)
}

func isEmpty(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err != nil || len(entries) == 0
}

func (n *node) closed(what string, err error) {
	if err != nil {
		n.log.Warn(what+" not removed", "error", err)
	}
}
