// Package node is the node process: it puts the parts together, owns their lifetimes, and runs until
// it is told to stop. It is where concrete drivers are named.
package node

import (
	"context"
	"log/slog"
	"slices"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/cgroup"
	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/control"
	"github.com/nex-engine/nex/internal/image"
	"github.com/nex-engine/nex/internal/natsconn"
	"github.com/nex-engine/nex/internal/pool"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/state"
	"github.com/nex-engine/nex/internal/workload"
)

// Config is what a node is started with.
type Config struct {
	// Settings are the node's configuration.
	Settings config.Config
	// DataDir is the node's data directory; the caller has locked it.
	DataDir string
	// Control is the connection for the control API; the caller closes it after Run.
	Control *nats.Conn
	// JetStream is where host services have their buckets on the control connection, if they use that; the zero value
	// is the connection's own.
	JetStream natsconn.JetStreamPlace
	// Workload is the connection that workloads' artifacts may also lie behind; nil if it is the
	// control connection.
	Workload *nats.Conn
	// WorkloadURL is the NATS server that a native workload uses when it is told no other; empty
	// means that it is told none.
	WorkloadURL string
	// KeepWorkloads leaves the workloads running when the node ends, so that the next node of this data
	// directory takes them over; otherwise they are stopped.
	KeepWorkloads bool
	// Hurry is closed when the node is not to wait for workloads that it stops: they are killed. Optional.
	Hurry <-chan struct{}
	// Logger is required. What it is given is also published on the node's log subjects.
	Logger *slog.Logger
	// Ready is called once, when the node takes requests; optional.
	Ready func(Facts)
}

// Facts are what there is to say about a node that is ready.
type Facts struct {
	NodeID  string
	Xkey    string // public
	Sandbox nex.SandboxLevel
}

// Run runs a node until ctx ends, then stops its workloads, or leaves them running, and returns nil. What an
// earlier process of the node with the same data directory has left running it takes over. When the node cannot
// start, the error says why, and nothing of it is left but what an earlier process had.
func Run(ctx context.Context, cfg Config) (err error) {
	n := &node{cfg: cfg}
	defer n.close()
	ctx = n.leaving.begin(ctx)
	defer n.leaving.stop()
	if err := n.open(ctx); err != nil {
		if n.interrupted = ctx.Err() != nil; n.interrupted {
			return nil // it was told to end before it had started
		}
		return err
	}
	n.ready = true
	n.autostart(ctx)
	n.publisher.Event(nex.SystemNamespace, nex.EventNodeStarted, nex.NodeStarted{Version: nex.Version, ID: n.id, Tags: n.control.Tags()})
	n.log.Info("NATS execution engine awaiting commands", "id", n.id)
	if cfg.Ready != nil {
		cfg.Ready(Facts{NodeID: n.id, Xkey: n.xkeyPublic, Sandbox: n.driver.Capabilities().Level})
	}
	<-ctx.Done()
	if n.leave() {
		n.log.Info("leaving the workloads running, for the next node of this data directory", "workloads", n.workloads.Active())
	} else {
		n.log.Info("stopping all workloads", "workloads", n.workloads.Active(), "start_again_with_node", n.workloads.StartWithNode())
	}
	return nil
}

// node holds the parts of a running node; closers undo what open did, the last first.
type node struct {
	cfg     Config
	log     *slog.Logger
	closers []func()

	id, xkeyPublic string
	identity, xkey nkeys.KeyPair
	state          *state.Store
	records        []state.Record // of the earlier process, until they are taken over
	groups         *cgroup.Manager
	agentPath      string
	images         *image.Store // nil if the node runs none
	ready          bool         // the node has started
	interrupted    bool         // it was told to end before
	publisher      *control.Publisher
	driver         sandbox.Driver
	serviceURL     string // of the NATS server as services see it; empty for Config.WorkloadURL
	pool           *pool.Pools
	workloads      *workload.Manager
	control        *control.Service
	leaving        leaving
}

func (n *node) onClose(f func()) { n.closers = append(n.closers, f) }

func (n *node) close() {
	for _, f := range slices.Backward(n.closers) {
		f()
	}
}
