package gvisor

import (
	"log/slog"

	"github.com/nex-engine/nex/internal/cgroup"
	"github.com/nex-engine/nex/internal/sandboxnet"
)

// Name is the driver's name.
const Name = "gvisor"

// Variables of the agent's environment.
const (
	// AgentIDVariable holds the id of the sandbox.
	AgentIDVariable = "NEX_AGENT_ID"
	// UserVariable holds the user and group as whom the agent runs programs, such as "1000:1000". Without
	// it that is the agent's own.
	UserVariable = "NEX_AGENT_USER"
)

// Users and groups inside.
const (
	// WorkloadUser runs workloads.
	WorkloadUser = 1000
	// AgentUser runs the agent where there are programs besides it. No image is likely to have it.
	AgentUser = 65520
)

// Overhead is what the driver needs of memory for a sandbox, in bytes, on top of what the Limits allow:
// the kernel inside, the gofer and runsc.
const Overhead = 64 << 20

// LinkDir is where Spec.LinkDir is seen inside.
const LinkDir = ownDir + "/link"

// Config is what a Driver needs.
type Config struct {
	// Runsc is the runsc program, and AgentPath nex-agent, which must be statically linked. Anybody may
	// read and run both. Required.
	Runsc, AgentPath string
	// Dir is the directory for the driver's state; it is made when it is missing. Required, and not
	// shared with another node.
	Dir string
	// Logger gets what cannot be returned to a caller. Nil discards.
	Logger *slog.Logger
	// Cgroups makes the control groups of sandboxes. It stays the caller's, who closes it last. Nil means that
	// memory, CPU and rates have no bound.
	Cgroups *cgroup.Manager
	// Network connects sandboxes: see [sandboxnet.Of]. It stays the caller's. Nil means that none can have a network.
	Network sandboxnet.Network
}
