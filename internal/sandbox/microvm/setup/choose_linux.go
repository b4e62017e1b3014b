package setup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/nex-engine/nex/internal/sandbox/microvm/firecracker"
	"github.com/nex-engine/nex/internal/sandbox/microvm/firecracker/kvm"
	"github.com/nex-engine/nex/internal/sandbox/microvm/qemu"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
)

// TryKVM says in a sentence why the KVM of this machine cannot be used, if it cannot. It takes a second at most.
func TryKVM(ctx context.Context) error { return kvm.Check(ctx) }

// Choose takes Firecracker where KVM can be used, which noKVM of [TryKVM] says, and where its programs work; and
// otherwise QEMU, which can do without. The log is told why it is not the former though that is there, and that
// machines are emulated. The error says what is missing of both; whether QEMU works its Check finds out.
func Choose(ctx context.Context, p Programs, noKVM error, log *slog.Logger) (vmm.VMM, error) {
	var noFirecracker error
	if noKVM == nil && p.Firecracker != "" {
		v, err := newFirecracker(ctx, p)
		if err == nil {
			return v, nil
		}
		noFirecracker = err
	}
	if p.QEMU == "" {
		if noFirecracker == nil {
			noFirecracker = errors.New("there is no program that runs virtual machines here")
		}
		return nil, fmt.Errorf("%w: install QEMU (Debian: apt-get install qemu-system-x86), or name its folder in bin_path", noFirecracker)
	}
	v, err := qemu.New(qemu.Config{Path: p.QEMU, Emulate: noKVM != nil, Logger: log})
	switch {
	case err != nil:
		return nil, errors.Join(noFirecracker, err)
	case noFirecracker != nil:
		log.Warn("virtual machines run under QEMU, because Firecracker cannot be used", "error", noFirecracker)
	case noKVM != nil:
		log.Warn("virtual machines are emulated, which is slow, because KVM cannot be used", "error", noKVM)
	}
	return v, nil
}

// Again takes the VMM of that name, which has run machines here before, as [vmm.VMM] has it: neither its programs nor KVM are
// tried, for what runs could not be spoken to by another. The error says what is missing.
func Again(name string, p Programs, log *slog.Logger) (vmm.VMM, error) {
	switch {
	case name == firecracker.Name:
		v, err := makeFirecracker(p)
		if err != nil {
			return nil, err // and no nil program in an interface
		}
		return v, nil
	case name == qemu.Name && p.QEMU != "":
		v, err := qemu.New(qemu.Config{Path: p.QEMU, Logger: log}) // it finds out what it can do when it is used
		if err != nil {
			return nil, err // likewise
		}
		return v, nil
	}
	return nil, fmt.Errorf("there is no program %s that runs virtual machines here", name)
}

func newFirecracker(ctx context.Context, p Programs) (vmm.VMM, error) {
	v, err := makeFirecracker(p)
	if err == nil {
		err = v.Check(ctx)
	}
	if err != nil {
		return nil, err // and no nil program in an interface
	}
	return v, nil
}

// makeFirecracker makes it for a machine with KVM.
func makeFirecracker(p Programs) (*firecracker.Firecracker, error) {
	if p.Firecracker == "" {
		return nil, errors.New("there is no program firecracker here")
	}
	if p.Jailer == "" && os.Geteuid() == 0 {
		return nil, fmt.Errorf("firecracker is not run by root without its jailer, which is not there: put the one of its release beside %s", p.Firecracker)
	}
	known := func(context.Context) error { return nil } // or it would not be what is chosen
	return firecracker.New(firecracker.Config{Path: p.Firecracker, Jailer: p.Jailer, TryKVM: known})
}
