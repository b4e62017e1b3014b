package preflight

import (
	"context"
	"os"

	"github.com/nex-engine/nex/internal/sandbox/microvm"
	"github.com/nex-engine/nex/internal/sandbox/microvm/firecracker"
	"github.com/nex-engine/nex/internal/sandbox/microvm/firecracker/kvm"
	"github.com/nex-engine/nex/internal/sandbox/microvm/qemu"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
)

func tryKVM(ctx context.Context) error { return kvm.Check(ctx) }

// tryMicroVM runs a machine of a few instructions with the program that a node would take.
func tryMicroVM(ctx context.Context, m Machine) error {
	v, err := m.vmm()
	if err != nil {
		return err
	}
	return microvm.Check(ctx, microvm.Config{VMM: v, Kernel: m.Kernel, Rootfs: m.Rootfs, Dir: os.TempDir()}) // where it makes nothing
}

func (m Machine) vmm() (vmm.VMM, error) {
	if m.Firecracker != "" {
		known := func(context.Context) error { return nil } // or it would not be what is tried
		return firecracker.New(firecracker.Config{Path: m.Firecracker, Jailer: m.Jailer, TryKVM: known})
	}
	return qemu.New(qemu.Config{Path: m.QEMU})
}
