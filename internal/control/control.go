// Package control is the control API of a node: the NATS micro service nex-node, whose endpoints
// are the operations on $NEX.>, and the publisher of events and logs.
//
// An endpoint decodes a request with the pure decoders of package nex, calls the node, and encodes
// the answer. Everything that is refused is refused with a [nex.Error].
package control

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/claims"
	"github.com/nex-engine/nex/internal/workload"
)

// ServiceName is the name of the NATS micro service that a node is.
const ServiceName = "nex-node"

// Config is what the API is about. All fields but those marked optional are required.
type Config struct {
	Conn   *nats.Conn // the control connection; outlives the Service
	NodeID string
	Nexus  string
	Xkey   nkeys.KeyPair // opens environments
	// Tags of the node, without the lame duck tag, which the Service adds.
	Tags         map[string]string
	OS, Arch     string
	Sandbox      nex.SandboxLevel
	Types        []nex.WorkloadType // that the node runs
	DenySubjects []string           // optional, besides nex.ReservedSubjects
	// DefaultEnvironment is added to the environment of native workloads where they do not set it
	// themselves; optional.
	DefaultEnvironment map[string]string

	Verifier   *claims.Verifier
	Workloads  *workload.Manager
	IdleAgents func() int
	Publisher  *Publisher
	Logger     *slog.Logger
}

// Service answers the control API until it is closed. It is safe for concurrent use.
type Service struct {
	cfg      Config
	xkey     string // public
	started  time.Time
	lameDuck atomic.Bool

	ctx    context.Context // bounds what runs on behalf of requests
	cancel context.CancelFunc
	group  sync.WaitGroup
	slots  chan struct{} // a deploy or stop in progress each
	micro  micro.Service
}

// maxInProgress bounds the deploys and stops that are worked on at one time; more wait.
const maxInProgress = 256

// Start registers the endpoints. The caller owns the Service and closes it.
func Start(cfg Config) (*Service, error) {
	xkey, err := cfg.Xkey.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("control API: read xkey: %w", err)
	}
	s := &Service{cfg: cfg, xkey: xkey, started: time.Now(), slots: make(chan struct{}, maxInProgress)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if err := s.register(); err != nil {
		s.Close()
		return nil, err
	}
	s.group.Go(s.heartbeat)
	return s, nil
}

func (s *Service) register() error {
	service, err := micro.AddService(s.cfg.Conn, micro.Config{
		Name:        ServiceName,
		Version:     nex.Version,
		Description: "Nex node " + s.cfg.NodeID,
		Metadata:    map[string]string{"node_id": s.cfg.NodeID, "nexus": s.cfg.Nexus},
		// Every node answers for itself.
		QueueGroupDisabled: true,
	})
	if err != nil {
		return fmt.Errorf("control API: add micro service: %w", err)
	}
	s.micro = service
	any, me := "*", s.cfg.NodeID
	for _, e := range []struct {
		name    string
		at      nex.Request
		handler handler
	}{
		{"PING", nex.Request{Op: nex.OpPing}, s.ping},
		{"PING-NODE", nex.Request{Op: nex.OpPing, Node: me}, s.ping},
		{"AUCTION", nex.Request{Op: nex.OpAuction}, s.auction},
		{"WPING", nex.Request{Op: nex.OpWorkloadPing, Namespace: any}, s.workloadPing},
		{"WPING-WORKLOAD", nex.Request{Op: nex.OpWorkloadPing, Namespace: any, Workload: any}, s.workloadPing},
		{"INFO", nex.Request{Op: nex.OpInfo, Namespace: any, Node: me}, s.info},
		{"DEPLOY", nex.Request{Op: nex.OpDeploy, Namespace: any, Node: me}, s.deploy},
		{"STOP", nex.Request{Op: nex.OpStop, Namespace: any, Node: me}, s.stop},
		{"LOGS", nex.Request{Op: nex.OpLogs, Namespace: any, Node: me}, s.logs},
		{"LAMEDUCK", nex.Request{Op: nex.OpLameDuck, Node: me}, s.lameduck},
	} {
		err := service.AddEndpoint(e.name, s.endpoint(e.at.Op, e.handler), micro.WithEndpointSubject(e.at.Subject()))
		if err != nil {
			return fmt.Errorf("control API: add endpoint %s: %w", e.name, err)
		}
	}
	return nil
}

// Close stops answering and waits for the requests in progress.
func (s *Service) Close() {
	if s.micro != nil {
		if err := s.micro.Stop(); err != nil {
			s.cfg.Logger.Warn("control API did not stop cleanly", "error", err)
		}
	}
	s.cancel()
	s.group.Wait()
}

// EnterLameDuck makes the node refuse new workloads. It reports whether it took them before.
func (s *Service) EnterLameDuck() bool {
	if s.lameDuck.Swap(true) {
		return false
	}
	s.cfg.Publisher.Event(nex.SystemNamespace, nex.EventNodeEnteredLameDuck, nex.NodeEnteredLameDuck{Version: nex.Version, ID: s.cfg.NodeID})
	s.cfg.Logger.Info("entered lame duck mode")
	return true
}

// Tags returns the node's tags as they are now.
func (s *Service) Tags() map[string]string {
	tags := maps.Clone(s.cfg.Tags)
	tags[nex.TagLameDuck] = fmt.Sprint(s.lameDuck.Load())
	return tags
}

func (s *Service) uptime() string { return since(s.started) }

// since prints the time since t as people do: 8m47s.
func since(t time.Time) string { return time.Since(t).Truncate(time.Second).String() }

func (s *Service) heartbeat() {
	ticker := time.NewTicker(nex.HeartbeatInterval)
	defer ticker.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-ticker.C:
			s.cfg.Publisher.Event(nex.SystemNamespace, nex.EventHeartbeat, nex.Heartbeat{
				Version: nex.Version, NodeID: s.cfg.NodeID, Nexus: s.cfg.Nexus, Uptime: s.uptime(),
				Tags: s.Tags(), RunningMachines: s.cfg.Workloads.Active(),
			})
		}
	}
}
