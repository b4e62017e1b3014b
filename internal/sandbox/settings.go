package sandbox

import (
	"time"

	nex "github.com/nex-engine/nex"
)

// Settings are what can be said of a sandbox once its workload is known.
type Settings struct {
	Limits Limits
	// Egress says where the sandbox may connect to; it counts for sandboxes with a network only.
	Egress nex.Egress
}

// Limits bound what a sandbox takes of the machine, its agent and the sandbox's own needs included
// unless said otherwise. 0 means no bound.
type Limits struct {
	// MemoryBytes is for agent and workload together; what the driver itself needs for a sandbox comes on
	// top. Beyond it processes of the sandbox are killed, and Exit says OOM if the agent is one of them.
	MemoryBytes int64
	// CPUs is how much processor time it takes: 1.5 is one and a half processors.
	CPUs float64
	// PIDs is how many processes and threads there may be inside.
	PIDs int
	// OpenFiles is how many files each process may have open.
	OpenFiles int
	// DiskBytes is what all that is written inside takes, wherever that is kept.
	DiskBytes int64
	// Bandwidth and IOPS bound what a sandbox reads from and writes to disk and network; nil means no bound.
	Bandwidth, IOPS *Rate
}

// Rate is a token bucket: Size tokens (bytes, or operations) come back every Refill, after Burst
// further ones at the start.
type Rate struct {
	Size   int64
	Refill time.Duration
	Burst  int64
}

// LimitSet says which limits a driver enforces here.
type LimitSet struct {
	Memory, CPUs, PIDs, OpenFiles, Disk, Bandwidth, IOPS bool
	// Missing says, in a sentence, why some do not hold and what to do; empty when all do.
	Missing string
}
