package node

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
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
	"github.com/nex-engine/nex/internal/sandbox/process"
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
		err = n.openGVisor(ctx)
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

// noMicroVM is why the strongest level is passed over.
const noMicroVM = "this version runs no virtual machines"

func (n *node) openGVisor(ctx context.Context) error {
	runsc, err := binpath.Find("runsc", n.cfg.Settings.BinPath)
	if err != nil {
		return noSandbox(err)
	}
	cfg := gvisor.Config{Runsc: runsc, AgentPath: n.agentPath, Dir: n.sandboxDir(gvisor.Name), Cgroups: n.groups, Logger: n.log}
	if !n.ran(nex.SandboxGVisor) { // or it works, and what runs waits for its node
		if err := gvisor.Check(ctx, cfg); err != nil {
			return noSandbox(err)
		}
	}
	network, err := n.openNetwork(ctx)
	switch {
	case err == nil:
		n.onClose(func() { n.orLeave(network.close, network.leave) })
		cfg.Network, n.serviceURL = network.Network, network.natsURL
	case errors.Is(err, errNoNetwork) && n.runs(nex.WorkloadType.Function):
		n.log.Warn("this node runs functions only: services need a network in their sandboxes", "error", err)
	default:
		return fmt.Errorf("services need a network in their sandboxes: %w", err)
	}
	d, err := gvisor.New(cfg)
	if err != nil {
		return err
	}
	n.log.Info("workloads run in sandboxes", "level", nex.SandboxGVisor, "passed_over", map[nex.SandboxLevel]string{nex.SandboxMicroVM: noMicroVM})
	n.driver = d
	return nil
}

// sandboxNetwork is the network of the sandboxes.
type sandboxNetwork struct {
	gvisor.Network
	natsURL string // of the server for workloads, as they reach it
	close   func()
	leave   func() // gives it up without ending what sandboxes have of it
}

// errNoNetwork is why a node that may not make networks has none.
var errNoNetwork = errors.New("this node may not make networks")

// noSandbox is the error of a machine without a level that works.
func noSandbox(err error) error {
	return fmt.Errorf("no sandbox works on this machine, and workloads run without one only when that is asked for (--no-sandbox, or no_sandbox in the configuration): microvm: %s; gvisor: %w", noMicroVM, err)
}

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

// sweepOther does the same for the level that this node had before, if it was another one.
func (n *node) sweepOther(ctx context.Context) {
	if n.cfg.Settings.NoSandbox {
		n.sweepGVisor(ctx)
		return
	}
	dir := n.sandboxDir(process.Name)
	if isEmpty(dir) {
		return
	}
	d, err := process.New(process.Config{AgentPath: n.agentPath, Dir: dir, Cgroups: n.groups, Logger: n.log})
	if err != nil {
		n.log.Error("something of an earlier node process is left", "dir", dir, "error", err)
		return
	}
	n.sweep(ctx, d)
}

func (n *node) sweepGVisor(ctx context.Context) {
	dir := n.sandboxDir(gvisor.Name)
	if isEmpty(dir) {
		return
	}
	runsc, err := binpath.Find("runsc", n.cfg.Settings.BinPath)
	if err == nil {
		cfg := gvisor.Config{Runsc: runsc, AgentPath: n.agentPath, Dir: dir, Cgroups: n.groups, Logger: n.log}
		if network, err := n.openNetwork(ctx); err == nil { // whoever may make none has left none
			defer network.close()
			cfg.Network = network.Network
		}
		var d *gvisor.Driver
		if d, err = gvisor.New(cfg); err == nil {
			if n.sweep(ctx, d) {
				err = os.RemoveAll(dir) // or the next start would do all this again
			}
		}
	}
	if err != nil {
		n.log.Error("something of an earlier node process is left", "dir", dir, "error", err)
	}
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
