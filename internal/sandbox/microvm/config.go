package microvm

import (
	"log/slog"
	"time"

	"github.com/nex-engine/nex/internal/cgroup"
	"github.com/nex-engine/nex/internal/guest"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
	"github.com/nex-engine/nex/internal/sandboxnet"
)

// Name is the driver's name.
const Name = "microvm"

// AgentIDVariable holds the id of the sandbox in the environment of its process on the host.
const AgentIDVariable = "NEX_AGENT_ID"

// LinkDir is where Spec.LinkDir is seen inside: its socket alone.
const LinkDir = guest.LinkDir

// Defaults of a [Config].
const (
	DefaultMemoryBytes  = 512 << 20
	DefaultDiskBytes    = 1 << 30
	DefaultStartTimeout = time.Minute
	// MaxDefaultCPUs bounds the processors of a machine that is not told how many it has.
	MaxDefaultCPUs = 8
)

// What a machine needs of memory, in bytes, on top of what the Limits allow.
const (
	// GuestOverhead is for its kernel and init.
	GuestOverhead = 128 << 20
	// HostOverhead is for the program that runs it, which where it emulates the processor keeps what it has
	// translated.
	HostOverhead = 384 << 20
)

// Config is what a Driver needs.
type Config struct {
	// VMM runs the machines. Required.
	VMM vmm.VMM
	// Kernel is the kernel, and Initrd its initial RAM disk; empty for a kernel that needs no modules for disks.
	// Rootfs is an ext4 image with init and agent at guest.InitPath and guest.AgentPath. Kernel and Rootfs are
	// required.
	Kernel, Initrd, Rootfs string
	// MemoryBytes is the most that a workload may have, which every machine has, and GuestOverhead on top. 0
	// takes [DefaultMemoryBytes].
	MemoryBytes int64
	// CPUs is how many processors every machine has. 0 takes those of this machine, at most [MaxDefaultCPUs].
	CPUs int
	// DiskBytes is how much a sandbox without a limit of its own can write. 0 takes [DefaultDiskBytes].
	DiskBytes int64
	// Dir is the directory for the driver's state; it is made when it is missing. Required, and not
	// shared with another node.
	Dir string
	// Snapshots is a directory for what machines start from, so that they need not boot. It is made when it is
	// missing, is on the file system of Dir, and may be Dir, or shared by nodes with the same machines. Empty means
	// that all machines boot.
	Snapshots string
	// StartTimeout bounds the time from the start of a machine until its init calls. 0 takes
	// [DefaultStartTimeout].
	StartTimeout time.Duration
	// Logger gets what cannot be returned to a caller. Nil discards.
	Logger *slog.Logger
	// Cgroups makes the control groups of sandboxes. It stays the caller's, who closes it last. Nil means that
	// rates have no bound.
	Cgroups *cgroup.Manager
	// Network connects sandboxes: see [sandboxnet.Of]. It stays the caller's. Nil means that none can have a network.
	Network sandboxnet.Network
}
