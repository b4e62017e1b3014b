package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/claims"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/workload"
)

// Workloads are the workloads of the node; workload.Manager is one. It must be safe for concurrent
// use.
type Workloads interface {
	// Full returns a refusal when no workload more can be taken.
	Full() error
	// Active is the number of workloads that have not ended.
	Active() int
	// List returns the workloads of a namespace, oldest first.
	List(namespace string) []workload.Status
	// Logs returns the last n lines of a namespace's workloads, oldest first, or of the one that has
	// the id or name.
	Logs(namespace, idOrName string, n int) []nex.LogLine
	// Deploy starts a workload; see workload.Manager. It returns soon after ctx has ended.
	Deploy(ctx context.Context, spec workload.Spec) (nex.State, error)
	// Stop returns when nothing of the workload runs any more, or soon after ctx has ended.
	Stop(ctx context.Context, namespace, id, name, issuer string, grace time.Duration) error
}

// Config is what the API is about. All fields but those marked optional are required.
type Config struct {
	Conn   *nats.Conn // the control connection; outlives the Service
	NodeID string
	Nexus  string        // optional
	Xkey   nkeys.KeyPair // opens environments
	// Tags of the node, without the lame duck tag, which the Service adds; optional.
	Tags         map[string]string
	OS, Arch     string
	Sandbox      nex.SandboxLevel
	Types        []nex.WorkloadType // that the node runs
	DenySubjects []string           // optional, besides nex.ReservedSubjects
	// Limits are those that hold for workloads; a request for others is refused. Optional.
	Limits sandbox.LimitSet
	// LimitsOf returns the limits of a workload's sandbox, to be shown; optional.
	LimitsOf func(spec workload.Spec) sandbox.Limits
	// Network says that workloads have a network of their own, so that egress rules hold.
	Network bool
	// CPUs is the number of processors of the machine; 0 means as many as this process sees.
	CPUs int
	// Heartbeat is the time between two heartbeat events; 0 means [nex.HeartbeatInterval].
	Heartbeat time.Duration

	// LameDuck is called with each accepted lame duck request, and does not wait: it lets what the node
	// has come to its end, and ends the node when the request says so. Optional.
	LameDuck func(nex.ExitAfter)

	Verifier   *claims.Verifier
	Workloads  Workloads
	IdleAgents func() int
	Publisher  *Publisher
	Logger     *slog.Logger
}

// check reports the first required field that is missing, and fills in the defaults.
func (c *Config) check() error {
	for _, f := range []struct {
		name    string
		missing bool
	}{
		{"Conn", c.Conn == nil},
		{"Xkey", c.Xkey == nil},
		{"Verifier", c.Verifier == nil},
		{"Workloads", c.Workloads == nil},
		{"IdleAgents", c.IdleAgents == nil},
		{"Publisher", c.Publisher == nil},
		{"Logger", c.Logger == nil},
	} {
		if f.missing {
			return fmt.Errorf("control API: Config.%s is required", f.name)
		}
	}
	if !nex.IsNodeID(c.NodeID) {
		return fmt.Errorf("control API: Config.NodeID %q is not a node id", c.NodeID)
	}
	if c.Heartbeat < 0 {
		return errors.New("control API: Config.Heartbeat must not be negative")
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = nex.HeartbeatInterval
	}
	if c.CPUs == 0 {
		c.CPUs = runtime.NumCPU()
	}
	return nil
}
