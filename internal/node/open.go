package node

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink/linkhost"
	"github.com/nex-engine/nex/internal/artifact"
	"github.com/nex-engine/nex/internal/castore"
	"github.com/nex-engine/nex/internal/claims"
	"github.com/nex-engine/nex/internal/control"
	"github.com/nex-engine/nex/internal/datadir"
	"github.com/nex-engine/nex/internal/pool"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/workload"
)

// open starts the parts, each of which needs the ones before it.
func (n *node) open(ctx context.Context) error {
	s := n.cfg.Settings
	n.log = n.cfg.Logger
	if err := n.holdPID(s.PIDPath(n.cfg.DataDir)); err != nil {
		return err
	}
	if err := n.openIdentity(); err != nil {
		return err
	}
	n.publisher = control.NewPublisher(n.cfg.Control, n.id, n.cfg.Logger)
	n.log = slog.New(&teeHandler{Handler: n.cfg.Logger.Handler(), publisher: n.publisher, node: n.id})
	n.onClose(n.publisher.Close) // so that the last events get out

	seen, err := claims.OpenSeen(filepath.Join(n.cfg.DataDir, "claims.seen"))
	if err != nil {
		return err
	}
	n.onClose(func() { _ = seen.Close() })
	if err := n.openState(); err != nil {
		return err
	}
	if err := n.openDriver(ctx); err != nil {
		return err
	}
	host, err := n.openLinks()
	if err != nil {
		return err
	}
	n.pool = pool.NewPools(pool.Config{
		Driver: n.driver, Host: host, Size: s.MachinePoolSize, Settings: n.settings(workload.Spec{}), Logger: n.log,
		HandshakeTimeout: time.Duration(s.AgentHandshakeTimeoutMs) * time.Millisecond,
		PingTimeout:      time.Duration(s.AgentPingTimeoutMs) * time.Millisecond,
	}, s.WorkloadTypes)
	n.onClose(n.pool.Close)
	if err := n.openWorkloads(ctx); err != nil {
		return err
	}
	adopted := n.recover(ctx, host)
	if err := n.startPool(ctx, adopted); err != nil {
		return err
	}
	if len(n.types()) == 0 {
		return fmt.Errorf("the node can run none of the workload types that the configuration accepts, %v: add others to workload_types", s.WorkloadTypes)
	}
	return n.openControl(seen)
}

// holdPID holds the pid file. On a full disk the node goes on with an empty one, or without: what counts is the lock,
// and the data directory has one of its own.
func (n *node) holdPID(path string) error {
	pid, err := datadir.HoldPID(path)
	switch {
	case err == nil:
		n.onClose(func() { _ = pid.Close() }) // a file that is left behind is no obstacle
		err = pid.Write()
	case !castore.IsDiskFull(err):
		return err
	}
	if err != nil {
		n.log.Warn("the node goes on without its process id in the pid file", "error", err)
	}
	return nil
}

// openLinks starts the internal server.
func (n *node) openLinks() (*linkhost.Host, error) {
	s := n.cfg.Settings
	secret, err := n.agentSecret()
	if err != nil {
		return nil, err
	}
	host, err := linkhost.Start(linkhost.Config{
		NodeID: n.id, Host: s.InternalNodeHost, Port: s.InternalNodePort, Dir: filepath.Join(n.cfg.DataDir, "link"),
		Secret: secret, OrphanTimeout: s.OrphanLimit(), Logger: n.log,
	})
	if err != nil {
		return nil, err
	}
	n.onClose(func() { n.orLeave(host.Close, host.Leave) })
	n.log.Info("internal NATS server started", "client_url", host.URL())
	return host, nil
}

// startPool starts the first agents. A node that cannot has no reason to run, unless it has adopted workloads.
func (n *node) startPool(ctx context.Context, adopted int) error {
	err := n.pool.Start(ctx)
	switch {
	case err == nil:
		return nil
	case adopted == 0 || ctx.Err() != nil:
		return fmt.Errorf("the first agent did not start: %w", err)
	}
	n.log.Error("the first agent did not start: what runs goes on, and what is to start waits for one that does", "error", err)
	n.pool.Fill()
	return nil
}

func (n *node) openWorkloads(ctx context.Context) error {
	s := n.cfg.Settings
	cache, err := artifact.Open(artifact.Config{
		Dir: filepath.Join(n.cfg.DataDir, "artifacts"), MaxBytes: s.CacheMaxBytes, NATS: n.artifactConns(),
		AllowFile: s.AllowFileArtifacts, Logger: n.log,
	})
	if err != nil {
		return err
	}
	n.onClose(func() { _ = cache.Close() })
	functions, err := n.openFunctions(ctx)
	if err != nil {
		return err
	}
	images, err := n.openImages()
	if err != nil {
		return err
	}
	n.workloads, err = workload.NewManager(workload.Config{
		Artifacts: cache, Agents: n.pool, Publisher: n.publisher, Functions: functions, Capabilities: n.driver.Capabilities(), Logger: n.log,
		Settings: n.settings, Images: images, Store: n.state, DefaultEnvironment: n.defaultEnvironment(), Refuse: n.refuse,
		Limits: workload.Limits{
			Workloads: s.NodeLimits.MaxWorkloads, TotalBytes: s.NodeLimits.MaxTotalBytes, WorkloadBytes: s.NodeLimits.MaxWorkloadBytes,
		},
		Restart: workload.Restart{MaxStarts: s.Restart.MaxStarts},
	})
	if err != nil {
		return err
	}
	n.onClose(n.endWorkloads)
	return nil
}

// endWorkloads stops the workloads, or leaves them running.
func (n *node) endWorkloads() { n.orLeave(n.stopWorkloads, n.workloads.Leave) }

// stopWorkloads stops the workloads, and kills them when that takes too long for whoever ends the node.
func (n *node) stopWorkloads() {
	stopped := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-n.cfg.Hurry:
			n.log.Warn("told again to end: workloads are killed now")
			n.workloads.Hurry()
		case <-stopped:
		}
	})
	n.workloads.Close()
	close(stopped)
	watch.Wait()
}

// artifactConns are the connections behind which object stores may lie, in the order of looking.
func (n *node) artifactConns() []*nats.Conn {
	conns := []*nats.Conn{n.cfg.Control}
	if n.cfg.Workload != nil {
		conns = append(conns, n.cfg.Workload)
	}
	return conns
}

func (n *node) openControl(seen *claims.Seen) error {
	s, c := n.cfg.Settings, n.driver.Capabilities()
	service, err := control.Start(control.Config{
		Conn: n.cfg.Control, NodeID: n.id, Nexus: s.Nexus, Xkey: n.xkey, Tags: n.tags(),
		OS: c.OS, Arch: c.Arch, Sandbox: c.Level, Types: n.types(),
		Limits: c.Limits, LimitsOf: func(s workload.Spec) sandbox.Limits { return n.settings(s).Limits },
		Network:      c.Network && !c.HostNetwork,
		DenySubjects: s.DenyTriggerSubjects,
		LameDuck:     n.lameDuck,
		Verifier: &claims.Verifier{
			Node: n.id, ValidIssuers: s.ValidIssuers, RequireBound: s.BoundClaims(),
			AllowUnverified: s.AllowUnverifiedArtifacts, Seen: seen,
		},
		Workloads: n.workloads, IdleAgents: n.pool.Idle, Publisher: n.publisher, Logger: n.log,
	})
	if err != nil {
		return err
	}
	n.control = service
	n.onClose(func() {
		// Whoever waits for an answer gets it before the node is gone.
		n.endWorkloads()
		service.Close()
		n.publisher.Event(nex.SystemNamespace, nex.EventNodeStopped, nex.NodeStopped{ID: n.id, Graceful: true})
	})
	return nil
}

// defaultEnvironment is what a native workload is told where it is not told otherwise.
func (n *node) defaultEnvironment() map[string]string {
	at := cmp.Or(n.serviceURL, n.cfg.WorkloadURL)
	if at == "" {
		return nil
	}
	return map[string]string{"NATS_URL": at}
}

// types are the workload types that are configured and that the agents can run.
func (n *node) types() []nex.WorkloadType {
	var types []nex.WorkloadType
	for _, t := range n.cfg.Settings.WorkloadTypes {
		if slices.Contains(n.pool.Types(), t) {
			types = append(types, t)
		}
	}
	return types
}

func (n *node) tags() map[string]string {
	c := n.driver.Capabilities()
	tags := map[string]string{}
	maps.Copy(tags, n.cfg.Settings.Tags)
	tags[nex.TagOS], tags[nex.TagArch] = c.OS, c.Arch
	tags[nex.TagCPUs] = strconv.Itoa(runtime.NumCPU())
	tags[nex.TagSandbox] = string(c.Level)
	tags[nex.TagUnsafe] = strconv.FormatBool(c.Level == nex.SandboxNone)
	return tags
}
