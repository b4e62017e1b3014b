package gvisor

import (
	"context"
	"log/slog"
	"net/netip"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/cgroup"
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
	// Network connects sandboxes: see [NewNetwork]. It stays the caller's. Nil means that none can have a network.
	Network Network
}

// Network connects sandboxes.
type Network interface {
	// Attach makes the network of a sandbox; the driver closes it.
	Attach(ctx context.Context, id string, e nex.Egress) (Endpoint, error)
	// Adopt takes over the network of a sandbox of an earlier node process, which has it with these rules; the
	// driver closes it.
	Adopt(ctx context.Context, id string, e nex.Egress) (Endpoint, error)
	// Nameserver is whom programs inside ask for the addresses of hosts; the zero Addr means those whom the
	// machine itself asks.
	Nameserver() netip.Addr
	// Sweep removes the networks that an earlier node process left and that were not adopted, and returns how
	// many there were.
	Sweep(ctx context.Context) (int, error)
}

// Endpoint is the network of one sandbox.
type Endpoint interface {
	// Namespace is the path of its network namespace.
	Namespace() string
	// SetEgress replaces where it may connect to.
	SetEgress(ctx context.Context, e nex.Egress) error
	// Close removes it. It may be called again.
	Close() error
}
