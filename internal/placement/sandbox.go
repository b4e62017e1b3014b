package placement

import (
	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/sandbox"
)

// Sandboxes is what a node's sandboxes are like.
type Sandboxes struct {
	Level nex.SandboxLevel
	// Limits are those that hold.
	Limits sandbox.LimitSet
	// Network says that sandboxes have a network of their own, so that egress rules hold.
	Network bool
	// CPUs is the number of processors of the machine, and MemoryMiB its available memory; negative when
	// it is not known.
	CPUs, MemoryMiB int
}

// Ask is what a workload asks of its sandbox. What is zero asks for nothing.
type Ask struct {
	MinSandbox nex.SandboxLevel
	MemoryMiB  int
	CPUs       float64
	Egress     nex.Egress
}

// Refuse returns the refusal of what a workload asks, an [nex.Error], or nil if the node has it. A bound
// that would not hold is refused: who sets one relies on it.
func Refuse(a Ask, s Sandboxes) error {
	unsupported := func(what string) error {
		const otherwise = "leave it away, or choose another node"
		if s.Limits.Missing != "" {
			return nex.Errorf(nex.CodeUnsupportedLimit, "this node cannot hold a workload to %s (%s): %s", what, s.Limits.Missing, otherwise)
		}
		return nex.Errorf(nex.CodeUnsupportedLimit, "this node cannot hold a workload to %s: %s", what, otherwise)
	}
	switch {
	case !s.Level.AtLeast(a.MinSandbox):
		return nex.Errorf(nex.CodeSandboxTooWeak, "the sandbox level of this node is %s, below %s: choose a node that isolates better", s.Level, a.MinSandbox)
	case a.MemoryMiB > 0 && s.MemoryMiB >= 0 && a.MemoryMiB > s.MemoryMiB:
		return nex.Errorf(nex.CodeInsufficientResources, "this node has %d MiB of memory available, not %d: choose another, or ask for less", s.MemoryMiB, a.MemoryMiB)
	case a.CPUs > 0 && s.CPUs >= 0 && a.CPUs > float64(s.CPUs):
		return nex.Errorf(nex.CodeInsufficientResources, "this node has %d processors, not %v: choose another, or ask for less", s.CPUs, a.CPUs)
	case a.MemoryMiB > 0 && !s.Limits.Memory:
		return unsupported("memory_mib")
	case a.CPUs > 0 && !s.Limits.CPUs:
		return unsupported("cpus")
	case !a.Egress.IsZero() && !s.Network:
		return nex.Errorf(nex.CodeUnsupportedLimit, "this node cannot hold a workload to egress, because its workloads have no network of their own: leave it away, or choose another node")
	}
	return nil
}
