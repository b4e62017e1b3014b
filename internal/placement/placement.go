// Package placement decides whether a node could take a workload. It is pure.
package placement

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	nex "github.com/nex-engine/nex"
)

// Node is what counts of a node.
type Node struct {
	OS, Arch string
	Sandbox  nex.SandboxLevel
	Types    []nex.WorkloadType
	Tags     map[string]string
	LameDuck bool
	Full     bool
	// AvailableMiB is the machine's available memory; negative when it is not known.
	AvailableMiB int
}

// Reasons says why a node would not bid in an auction, a sentence each; none means that it bids.
func Reasons(r *nex.AuctionRequest, n Node) []string {
	var reasons []string
	no := func(format string, args ...any) { reasons = append(reasons, fmt.Sprintf(format, args...)) }
	if n.LameDuck {
		no("the node is in lame duck mode")
	}
	if n.Full {
		no("the node runs as many workloads as its limits allow")
	}
	if r.OS != "" && r.OS != n.OS {
		no("the operating system is %s, not %s", n.OS, r.OS)
	}
	if r.Arch != "" && r.Arch != n.Arch {
		no("the architecture is %s, not %s", n.Arch, r.Arch)
	}
	if r.Sandboxed != nil && *r.Sandboxed != (n.Sandbox != nex.SandboxNone) {
		no("the sandbox level is %s", n.Sandbox)
	}
	if !n.Sandbox.AtLeast(r.MinSandbox) {
		no("the sandbox level is %s, below %s", n.Sandbox, r.MinSandbox)
	}
	for _, t := range r.WorkloadTypes {
		switch {
		case slices.Contains(n.Types, t):
		case t == nex.TypeOCI && n.Sandbox == nex.SandboxNone:
			no("workloads of type oci are not supported, for images need a sandbox and the sandbox level is none")
		default:
			no("workloads of type %s are not supported", t)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(r.Tags)) {
		if value, ok := n.Tags[key]; !ok {
			no("there is no tag %s", key)
		} else if !strings.EqualFold(value, r.Tags[key]) {
			no("the tag %s is %q, not %q", key, value, r.Tags[key])
		}
	}
	if r.MemoryMiB > 0 && n.AvailableMiB >= 0 && n.AvailableMiB < r.MemoryMiB {
		no("%d MiB of memory are available, not %d", n.AvailableMiB, r.MemoryMiB)
	}
	return reasons
}
