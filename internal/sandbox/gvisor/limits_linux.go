package gvisor

import (
	"runtime"

	"github.com/nex-engine/nex/internal/sandbox"
)

// limits says which limits hold: those that the sandbox enforces itself, and those of control groups.
func (d *Driver) limits() sandbox.LimitSet {
	l := d.cgroups.Limits()
	l.PIDs, l.OpenFiles, l.Disk = true, true, true
	return l
}

// What the sandbox takes of processes and threads on the host.
const (
	// hostPIDs is for runsc, the gofer and the kernel.
	hostPIDs = 128
	// hostPIDsEach is for a process inside besides a thread for each processor.
	hostPIDsEach = 3
)

// hostLimits are the limits of the group on the host. The number of processes is enforced inside, where
// programs get an error; on the host it is only there should somebody break out of the kernel, which ends
// when it gets no thread.
func (d *Driver) hostLimits(l sandbox.Limits) sandbox.Limits {
	if l.MemoryBytes > 0 {
		l.MemoryBytes += Overhead
	}
	if l.PIDs > 0 {
		l.PIDs = hostPIDs + l.PIDs*(hostPIDsEach+runtime.NumCPU())
	}
	if !d.cgroups.Limits().PIDs {
		l.PIDs = 0
	}
	l.OpenFiles, l.DiskBytes = 0, 0
	return l
}
