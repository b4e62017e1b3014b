package microvm

import (
	"errors"
	"fmt"

	"github.com/nex-engine/nex/internal/ext4"
	"github.com/nex-engine/nex/internal/guest"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
)

// hostPIDs is for the threads of a machine's process, besides one for each of its processors.
const hostPIDs = 256

// limits says which limits hold: those that are enforced inside, and those of control groups or the VMM.
func (d *Driver) limits() sandbox.LimitSet {
	l := d.cgroups.Limits()
	l.Memory, l.CPUs, l.PIDs, l.OpenFiles, l.Disk = true, true, true, true, true
	if d.vmm.Features().Rates {
		l.Bandwidth, l.IOPS = true, true
	}
	if l.Bandwidth && l.IOPS {
		l.Missing = ""
	}
	return l
}

// acceptLimits refuses limits that no machine has.
func (d *Driver) acceptLimits(l sandbox.Limits) error {
	if l.OpenFiles < 0 || l.DiskBytes < 0 || l.MemoryBytes < 0 || l.PIDs < 0 || !(l.CPUs >= 0) {
		return errors.New("a limit is negative: 0 is no limit")
	}
	if l.DiskBytes != 0 && (l.DiskBytes < ext4.MinSize || l.DiskBytes > ext4.MaxSize) {
		return fmt.Errorf("a limit of %d bytes for the disk is not between %d and %d", l.DiskBytes, ext4.MinSize, ext4.MaxSize)
	}
	if l.MemoryBytes > d.memory {
		return fmt.Errorf("a limit of %d MiB of memory is more than a machine has, %d MiB: set memsize_mib of machine_template higher", l.MemoryBytes>>20, d.memory>>20)
	}
	have := d.limits()
	if l.Bandwidth != nil && !have.Bandwidth || l.IOPS != nil && !have.IOPS {
		return fmt.Errorf("a limit of rates does not hold here: %s", have.Missing)
	}
	return nil
}

// diskBytes is how large the disk of a machine is.
func (d *Driver) diskBytes(l sandbox.Limits) int64 {
	if l.DiskBytes > 0 {
		return l.DiskBytes
	}
	return d.disk
}

// guestLimits are what the init is told.
func guestLimits(l sandbox.Limits) guest.Limits {
	return guest.Limits{MemoryBytes: l.MemoryBytes, CPUs: l.CPUs, PIDs: l.PIDs, OpenFiles: l.OpenFiles}
}

// hostLimits are the limits of the group on the host: room for the whole machine, and its share of processors and
// rates.
func (d *Driver) hostLimits(l sandbox.Limits) sandbox.Limits {
	have := d.cgroups.Limits()
	var host sandbox.Limits
	if have.Memory {
		host.MemoryBytes = d.memory + GuestOverhead + HostOverhead
	}
	if have.CPUs {
		host.CPUs = l.CPUs
	}
	if have.PIDs {
		host.PIDs = hostPIDs + d.cpus
	}
	if !d.vmm.Features().Rates {
		host.Bandwidth, host.IOPS = l.Bandwidth, l.IOPS
	}
	return host
}

// rates are what the VMM is told; it has nothing to do if control groups do it.
func (d *Driver) rates(l sandbox.Limits) vmm.Rates {
	if !d.vmm.Features().Rates {
		return vmm.Rates{}
	}
	return vmm.Rates{Bandwidth: l.Bandwidth, IOPS: l.IOPS}
}
