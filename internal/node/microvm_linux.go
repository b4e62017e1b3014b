package node

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/atomicfile"
	"github.com/nex-engine/nex/internal/binpath"
	"github.com/nex-engine/nex/internal/sandbox/microvm"
	"github.com/nex-engine/nex/internal/sandbox/microvm/setup"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
)

// checkMicroVM reports why that level is not to be had, if it is not.
func (n *node) checkMicroVM(ctx context.Context) (microvm.Config, error) {
	s := n.cfg.Settings
	cfg := microvm.Config{
		Kernel: s.KernelPath(n.cfg.DataDir), Rootfs: s.RootfsPath(n.cfg.DataDir),
		DiskBytes: int64(s.MachineTemplate.DiskMiB) << 20,
		Dir:       n.sandboxDir(microvm.Name), Snapshots: n.sandboxDir(microvm.Name), // which goes with the level
		Cgroups: n.groups, Logger: n.log,
	}
	for _, file := range []struct{ what, path string }{{"kernel", cfg.Kernel}, {"root file system", cfg.Rootfs}} {
		if _, err := os.Stat(file.path); err != nil {
			return cfg, fmt.Errorf("there is no %s %s: see nex node preflight", file.what, file.path)
		}
	}
	var err error
	if cfg.MemoryBytes, err = setup.MemoryBytes(s.MachineTemplate.MemSizeMiB); err != nil {
		return cfg, err
	}
	if cfg.VMM, err = n.chooseVMM(ctx); err != nil {
		return cfg, err
	}
	if !n.ran(nex.SandboxMicroVM) { // or it works, and what runs waits for its node
		if err := microvm.Check(ctx, cfg); err != nil {
			return cfg, err
		}
	}
	cfg.Initrd, err = n.makeInitrd(cfg.Kernel) // no sooner than there is use for it: it stays
	return cfg, err
}

// chooseVMM takes the program that works here, or that of machines with workloads which run already: no other can
// speak to them, and to try anything could fail on a machine that is busy.
func (n *node) chooseVMM(ctx context.Context) (vmm.VMM, error) {
	programs := setup.FindPrograms(n.cfg.Settings.BinPath)
	if n.running(nex.SandboxMicroVM) > 0 {
		if name := microvm.RunningVMM(n.sandboxDir(microvm.Name)); name != "" {
			return setup.Again(name, programs, n.log)
		}
	}
	return setup.Choose(ctx, programs, setup.TryKVM(ctx), n.log)
}

// makeInitrd makes the initial RAM disk with what the kernel needs of its modules, and returns its path: empty if the
// configuration names none, as for a kernel that has all built in.
func (n *node) makeInitrd(kernel string) (string, error) {
	modules := n.cfg.Settings.KernelModules
	if modules == "" {
		return "", nil
	}
	init, err := binpath.Find(setup.Init, n.cfg.Settings.BinPath)
	if err != nil {
		return "", err
	}
	b, err := setup.Initrd(kernel, modules, init)
	if err != nil {
		return "", err
	}
	path := filepath.Join(n.sandboxDir(microvm.Name), "initrd.img")
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, b) {
		return path, nil // machines that start now may have it open
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("make directory of sandboxes: %w", err)
	}
	return path, atomicfile.Write(path, b, 0o644)
}

func (n *node) openMicroVM(ctx context.Context, cfg microvm.Config) error {
	network, err := n.networkForServices(ctx)
	if err != nil {
		return err
	}
	cfg.Network = network.Network
	d, err := microvm.New(cfg)
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		n.log.Warn("all virtual machines run as the node's user: run the node as root for each to run as a user of its own")
	}
	n.log.Info("workloads run in virtual machines", "level", nex.SandboxMicroVM, "vmm", cfg.VMM.Name())
	n.driver = d
	return nil
}
