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
	"github.com/nex-engine/nex/internal/initramfs"
	"github.com/nex-engine/nex/internal/sandbox/microvm"
	"github.com/nex-engine/nex/internal/sandbox/microvm/firecracker"
	"github.com/nex-engine/nex/internal/sandbox/microvm/firecracker/kvm"
	"github.com/nex-engine/nex/internal/sandbox/microvm/qemu"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
)

// checkMicroVM reports why that level is not to be had, if it is not.
func (n *node) checkMicroVM(ctx context.Context) (microvm.Config, error) {
	s := n.cfg.Settings
	cfg := microvm.Config{
		Kernel: s.KernelPath(n.cfg.DataDir), Rootfs: s.RootfsPath(n.cfg.DataDir),
		MemoryBytes: max(int64(s.MachineTemplate.MemSizeMiB)<<20, microvm.DefaultMemoryBytes),
		DiskBytes:   int64(s.MachineTemplate.DiskMiB) << 20,
		Dir:         n.sandboxDir(microvm.Name), Snapshots: filepath.Join(n.cfg.DataDir, "snapshots"),
		Cgroups: n.groups, Logger: n.log,
	}
	for what, path := range map[string]string{"kernel": cfg.Kernel, "root file system": cfg.Rootfs} {
		if _, err := os.Stat(path); err != nil {
			return cfg, fmt.Errorf("there is no %s %s: see nex node preflight", what, path)
		}
	}
	var err error
	if cfg.VMM, err = n.chooseVMM(ctx); err != nil {
		return cfg, err
	}
	if cfg.Initrd, err = n.makeInitrd(s.KernelModules); err != nil {
		return cfg, err
	}
	if n.ran(nex.SandboxMicroVM) { // then it works, and what runs waits for its node
		return cfg, nil
	}
	return cfg, microvm.Check(ctx, cfg)
}

// chooseVMM takes Firecracker where KVM can be used, and otherwise QEMU, which can do without.
func (n *node) chooseVMM(ctx context.Context) (vmm.VMM, error) {
	s := n.cfg.Settings
	find := func(name string) string {
		path, _ := binpath.Find(name, s.BinPath) // or it is looked for in PATH
		return path
	}
	noKVM := kvm.Check(ctx)
	var noFirecracker error
	if noKVM == nil {
		known := func(context.Context) error { return nil }
		v, err := firecracker.New(firecracker.Config{Path: find(firecracker.Name), Jailer: find("jailer"), TryKVM: known})
		if err == nil {
			return v, nil
		}
		noFirecracker = err
	}
	v, err := qemu.New(qemu.Config{Path: find(qemu.Program), Emulate: noKVM != nil, Logger: n.log})
	switch {
	case err != nil && noFirecracker != nil:
		return nil, fmt.Errorf("%w; %w", noFirecracker, err)
	case err != nil:
		return nil, err
	case noKVM != nil:
		n.log.Warn("virtual machines run by software emulation, which is slow", "because", noKVM)
	}
	return v, nil
}

// makeInitrd makes the initial RAM disk with what a kernel needs of its modules, and returns its path: empty if the
// configuration names none, as for a kernel that has all built in.
func (n *node) makeInitrd(modules string) (string, error) {
	if modules == "" {
		return "", nil
	}
	init, err := binpath.Find("nex-init", n.cfg.Settings.BinPath)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	if err := initramfs.Write(&b, initramfs.Config{Init: init, Modules: modules}); err != nil {
		return "", fmt.Errorf("kernel_modules: %w", err)
	}
	path := filepath.Join(n.cfg.DataDir, "initrd.img")
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, b.Bytes()) {
		return path, nil // machines that start now may have it open
	}
	return path, atomicfile.Write(path, b.Bytes(), 0o644)
}

func (n *node) openMicroVM(ctx context.Context, cfg microvm.Config) error {
	network, err := n.networkForServices(ctx)
	if err != nil {
		return err
	}
	cfg.Network = network.microvm
	d, err := microvm.New(cfg)
	if err != nil {
		return err
	}
	n.log.Info("workloads run in virtual machines", "level", nex.SandboxMicroVM, "vmm", cfg.VMM.Name())
	n.driver = d
	return nil
}
