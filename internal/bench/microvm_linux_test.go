package bench_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nex-engine/nex/client"
	"github.com/nex-engine/nex/internal/agentlink/linkhost"
	"github.com/nex-engine/nex/internal/network"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/rootfs"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/microvm"
	"github.com/nex-engine/nex/internal/sandbox/microvm/qemu"
	"github.com/nex-engine/nex/internal/sandbox/microvm/setup"
	"github.com/nex-engine/nex/internal/sandboxnet"
)

// machineParts are what virtual machines are made of.
type machineParts struct{ kernel, modules, rootfs string }

// machines makes them, beside the programs, where a node finds the init.
func machines(b *testing.B) machineParts {
	b.Helper()
	if !nextest.Virtualized() {
		b.Skip("virtual machines with a network need linux on amd64 and root")
	}
	kernel, modules, err := nextest.Kernel()
	if err == nil {
		err = nextest.BuildInit(binDir)
	}
	if err != nil {
		b.Fatal(err)
	}
	p := machineParts{kernel, modules, filepath.Join(binDir, "rootfs.ext4")}
	if _, err := os.Stat(p.rootfs); err == nil {
		return p
	}
	c := rootfs.Config{Agent: filepath.Join(binDir, "nex-agent"), Init: filepath.Join(binDir, "nex-init"), Output: p.rootfs}
	if _, err := rootfs.Build(b.Context(), c); err != nil {
		b.Fatal(err)
	}
	return p
}

// startMachines starts a nex node up whose workloads are in virtual machines, and that keeps one ready for each kind
// of workload, or none.
func startMachines(b *testing.B, pool int) *rig {
	b.Helper()
	p := machines(b)
	config, err := json.Marshal(map[string]any{
		"kernel_filepath": p.kernel, "kernel_modules": p.modules, "rootfs_filepath": p.rootfs, "machine_pool_size": pool,
	})
	if err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(b.TempDir(), "config.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		b.Fatal(err)
	}
	r := newRig(b, 2*pool, "node", "up", "--server", startServer(b).url(), "--config", file)
	r.patience = time.Minute
	if r.node.Tags["nex.sandbox"] != "microvm" {
		b.Fatalf("the node has %v", r.node.Tags)
	}
	return r
}

// BenchmarkMachineDeployWarm is BenchmarkDeployWarm into a virtual machine.
func BenchmarkMachineDeployWarm(b *testing.B) { startMachines(b, 1).deploys() }

// BenchmarkMachineMemory is what the node itself holds of memory, resident, with one service in a virtual machine, and how
// much more for each of four that follow.
func BenchmarkMachineMemory(b *testing.B) {
	const few = 4
	r := startMachines(b, 0)
	s := r.watchStates()
	defer s.stop()
	d := r.program()
	r.deploySlowly(s, d)
	before := residentMB(b, r.up.PID())
	for i := range few {
		d.Name = fmt.Sprintf("echo%d", i)
		r.deploySlowly(s, d)
	}
	after := residentMB(b, r.up.PID())
	told(b)
	b.ReportMetric(before, "node-MB")
	b.ReportMetric((after-before)/few, "each-MB")
}

// deploySlowly deploys, returns when the workload runs and what follows has come to rest, and does not mind that the answer
// comes before.
func (r *rig) deploySlowly(s *states, d client.Deployment) {
	r.b.Helper()
	runs := s.running()
	if _, err := r.client.Deploy(r.b.Context(), d); err != nil {
		r.b.Fatal(err)
	}
	nextest.Await(r.b, d.Name+" runs", func() bool { return s.running() > runs })
	time.Sleep(settleTime)
}

// BenchmarkMachineHandshake is from the start of a machine until the handshake of its agent: of machines that boot, and
// of those that go on from a snapshot.
func BenchmarkMachineHandshake(b *testing.B) {
	for _, c := range []struct {
		name               string
		snapshots, network bool
	}{{"boot/alone", false, false}, {"boot/connected", false, true}, {"snapshot/alone", true, false}, {"snapshot/connected", true, true}} {
		b.Run(c.name, func(b *testing.B) {
			d := machineDriver(b, c.snapshots)
			host, err := linkhost.Start(linkhost.Config{NodeID: "node"})
			if err != nil {
				b.Fatal(err)
			}
			defer host.Close()
			if c.snapshots {
				handshake(b, d, host, c.network) // makes the snapshot
			}
			var times []time.Duration
			for b.Loop() {
				times = append(times, handshake(b, d, host, c.network))
			}
			median(b, "handshake", times)
		})
	}
}

// machineDriver is a driver of machines as a node makes it.
func machineDriver(b *testing.B, snapshots bool) *microvm.Driver {
	b.Helper()
	p := machines(b)
	dir := b.TempDir()
	initrd, err := setup.Initrd(p.kernel, p.modules, filepath.Join(binDir, "nex-init"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "initrd"), initrd, 0o600)
	}
	if err != nil {
		b.Fatal(err)
	}
	v, err := qemu.New(qemu.Config{})
	if err != nil {
		b.Fatal(err)
	}
	m, err := network.Open(b.Context(), network.Config{Name: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := m.Close(); err != nil {
			b.Error(err)
		}
	})
	c := microvm.Config{
		VMM: v, Kernel: p.kernel, Initrd: filepath.Join(dir, "initrd"), Rootfs: p.rootfs, Dir: filepath.Join(dir, "state"),
		Network: sandboxnet.Of(m),
	}
	if snapshots {
		c.Snapshots = filepath.Join(dir, "snapshots")
	}
	d, err := microvm.New(c)
	if err == nil {
		err = v.Check(b.Context())
	}
	if err != nil {
		b.Fatal(err)
	}
	return d
}

// handshake starts a machine, and returns how long it takes until its agent has shaken hands.
func handshake(b *testing.B, d *microvm.Driver, host *linkhost.Host, network bool) time.Duration {
	b.Helper()
	const id = "agent1"
	link, err := host.Admit(id)
	if err != nil {
		b.Fatal(err)
	}
	defer link.Close()
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	began := time.Now()
	i, err := d.Start(ctx, sandbox.Spec{
		ID: id, Network: network, LinkDir: link.Dir(), Bootstrap: link.Bootstrap(d.Capabilities().LinkDir, false),
	})
	if err != nil {
		b.Fatal(err)
	}
	_, err = link.Handshake(ctx)
	took := time.Since(began)
	if err := i.Destroy(ctx); err != nil {
		b.Error(err)
	}
	if err != nil {
		b.Fatal(err)
	}
	return took
}
