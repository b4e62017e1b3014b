// Package control is the control API of a node: the NATS micro service nex-node, whose endpoints
// are the operations on $NEX.>, and the publisher of events and logs.
//
// An endpoint decodes a request with the pure decoders of package nex, calls the node, and encodes
// the answer. Everything that is refused is refused with a [nex.Error], which is answered as the
// error of the reply and in the headers of micro services.
//
// The requests of one endpoint are looked at one after the other, in the order in which they arrive;
// what takes its time, starting and stopping workloads, goes on beside that. Requests to all nodes
// that do not concern this one are not answered.
package control

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/micro"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/natsconn/refusals"
)

// ServiceName is the name of the NATS micro service that a node is.
const ServiceName = "nex-node"

// Service answers the control API until it is closed. It is safe for concurrent use.
type Service struct {
	cfg      Config
	xkey     string // public
	started  time.Time
	lameDuck atomic.Bool
	micro    micro.Service
	slots    chan struct{} // a deploy in progress each

	ctx    context.Context // bounds what runs on behalf of requests
	cancel context.CancelFunc

	mu     sync.Mutex // held to join group, and to set closed
	closed bool       // no more may join group
	group  sync.WaitGroup
}

// maxInProgress bounds the deploys that are worked on at one time; more wait. Stops do not wait for
// deploys, nor for each other: one may take as long as the grace period of its workload.
const maxInProgress = 256

// registerTimeout bounds the wait for the NATS server to take in the endpoints.
const registerTimeout = 10 * time.Second

// Start registers the endpoints; when it returns, requests are answered. The caller owns the Service
// and closes it. When Start fails nothing of it is left.
func Start(cfg Config) (*Service, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
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
	// What else uses the connection may be refused something at the same time: its last error alone would not tell.
	watch := refusals.On(s.cfg.Conn)
	defer watch.Stop()
	endpoints := s.endpoints()
	for _, e := range endpoints {
		err := service.AddEndpoint(e.name, s.endpoint(e.at.Op, e.handler), micro.WithEndpointSubject(e.at.Subject()))
		if err != nil {
			return fmt.Errorf("control API: add endpoint %s: %w", e.name, err)
		}
	}
	// Once the server has answered it knows the endpoints: who is told that the node is ready can
	// send requests.
	ctx, cancel := context.WithTimeout(s.ctx, registerTimeout)
	defer cancel()
	if err := watch.Flush(ctx); err != nil {
		return fmt.Errorf("control API: register endpoints with the NATS server: %w", err)
	}
	for _, e := range endpoints {
		if err := watch.Subscribe(e.at.Subject()); err != nil {
			return fmt.Errorf("control API: the user of the node may not listen for requests: allow it to subscribe, nex node preflight says to what: %w", err)
		}
	}
	return nil
}

// endpoint is an operation as the micro service has it.
type endpoint struct {
	name    string
	at      nex.Request
	handler handler
}

func (s *Service) endpoints() []endpoint {
	anyone, me := "*", s.cfg.NodeID
	return []endpoint{
		{"PING", nex.Request{Op: nex.OpPing}, s.ping},
		{"PING-NODE", nex.Request{Op: nex.OpPing, Node: me}, s.ping},
		{"AUCTION", nex.Request{Op: nex.OpAuction}, s.auction},
		{"WPING", nex.Request{Op: nex.OpWorkloadPing, Namespace: anyone}, s.workloadPing},
		{"WPING-WORKLOAD", nex.Request{Op: nex.OpWorkloadPing, Namespace: anyone, Workload: anyone}, s.workloadPing},
		{"INFO", nex.Request{Op: nex.OpInfo, Namespace: anyone, Node: me}, s.info},
		{"DEPLOY", nex.Request{Op: nex.OpDeploy, Namespace: anyone, Node: me}, s.deploy},
		{"STOP", nex.Request{Op: nex.OpStop, Namespace: anyone, Node: me}, s.stop},
		{"LOGS", nex.Request{Op: nex.OpLogs, Namespace: anyone, Node: me}, s.logs},
		{"LAMEDUCK", nex.Request{Op: nex.OpLameDuck, Node: me}, s.lameduck},
	}
}

// Close stops listening, and waits until the requests in progress are answered: those that wait for
// a workload to start or stop, with what is known of it by now. What has arrived but was not looked
// at is refused. Close may be called again.
func (s *Service) Close() {
	if s.micro != nil {
		if err := s.micro.Stop(); err != nil {
			s.cfg.Logger.Warn("control API did not stop cleanly", "error", err)
		}
	}
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.group.Wait()
}

// enter lets a request in, unless the Service is closed. Stopping the micro service is not enough: it
// goes on to hand out what had arrived before. Whoever was let in calls s.group.Done.
func (s *Service) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.group.Add(1)
	return true
}

// EnterLameDuck makes the node refuse new workloads, for good. The first call tells so in an event;
// it reports whether it was the first.
func (s *Service) EnterLameDuck() bool {
	if s.lameDuck.Swap(true) {
		return false
	}
	s.cfg.Publisher.Event(nex.SystemNamespace, nex.EventNodeEnteredLameDuck, nex.NodeEnteredLameDuck{Version: nex.Version, ID: s.cfg.NodeID})
	s.cfg.Logger.Info("entered lame duck mode")
	return true
}

// Tags returns the node's tags as they are now. The map is the caller's.
func (s *Service) Tags() map[string]string {
	tags := make(map[string]string, len(s.cfg.Tags)+1)
	maps.Copy(tags, s.cfg.Tags)
	tags[nex.TagLameDuck] = strconv.FormatBool(s.lameDuck.Load())
	return tags
}

func (s *Service) uptime() string { return since(s.started) }

// since prints the time since t as people do: 8m47s.
func since(t time.Time) string { return time.Since(t).Truncate(time.Second).String() }

func (s *Service) heartbeat() {
	ticker := time.NewTicker(s.cfg.Heartbeat)
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
