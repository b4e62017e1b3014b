package control

import (
	"slices"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nuid"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/claims"
	"github.com/nex-engine/nex/internal/natsconn"
	"github.com/nex-engine/nex/internal/placement"
	"github.com/nex-engine/nex/internal/workload"
)

// deploy admits a workload, the cheapest check first, and starts it.
func (s *Service) deploy(at nex.Request, body []byte) (any, error) {
	if s.lameDuck.Load() {
		return nil, nex.ErrLameDuck
	}
	if err := s.cfg.Workloads.Full(); err != nil {
		return nil, err
	}
	if err := nex.CheckNamespace(at.Namespace); err != nil {
		return nil, err
	}
	r, err := nex.DecodeDeployRequest(body)
	if err != nil {
		return nil, err
	}
	if err := s.checkTarget(r.TargetNode); err != nil {
		return nil, err
	}
	if err := s.checkType(r); err != nil {
		return nil, err
	}
	if err := s.checkSandbox(r); err != nil {
		return nil, err
	}
	if err := checkConnections(r); err != nil {
		return nil, err
	}
	environment, err := openEnvironment(s.cfg.Xkey, r.Environment, r.SenderPublicKey)
	if err != nil {
		return nil, err
	}
	c, err := s.cfg.Verifier.Start(r, at.Namespace)
	if err != nil {
		return nil, err
	}
	spec := s.spec(at, r, c, environment)
	return later(func() (any, error) {
		if err := s.acquire(); err != nil {
			return nil, err
		}
		defer s.release()
		state, err := s.cfg.Workloads.Deploy(s.ctx, spec)
		if err != nil {
			return nil, err
		}
		return nex.RunResponse{Started: true, ID: spec.ID, Issuer: spec.Issuer, Name: spec.Name, State: state, Sandbox: s.cfg.Sandbox}, nil
	}), nil
}

// acquire waits until one deploy more may be worked on. It fails when the Service is closed first.
func (s *Service) acquire() error {
	select {
	case s.slots <- struct{}{}:
		return nil
	case <-s.ctx.Done():
		return errStopping()
	}
}

func (s *Service) release() { <-s.slots }

func (s *Service) checkTarget(node string) error {
	if node != "" && node != s.cfg.NodeID {
		return nex.Errorf(nex.CodeWrongNode, "the request is for another node: send it to its target_node, or make one for node %s", s.cfg.NodeID)
	}
	return nil
}

// checkType checks the workload's type and, of a function, its triggers.
func (s *Service) checkType(r *nex.DeployRequest) error {
	if r.Type == nex.TypeOCI && s.cfg.Sandbox == nex.SandboxNone {
		return nex.Errorf(nex.CodeUnsupportedType, "Unsupported workload type on this node: oci: images need a sandbox, and the sandbox level of this node is none")
	}
	if !slices.Contains(s.cfg.Types, r.Type) {
		return nex.Errorf(nex.CodeUnsupportedType, "Unsupported workload type on this node: %s", r.Type)
	}
	if len(r.TriggerSubjects) > 0 && !r.Type.Function() {
		return nex.Errorf(nex.CodeUnsupportedTrigger, "Unsupported workload type for trigger subject registration: %s", r.Type)
	}
	if len(r.TriggerSubjects) == 0 && r.Type.Function() {
		return nex.Errorf(nex.CodeUnsupportedTrigger, "a function without a trigger subject can never be called: give at least one")
	}
	for _, subject := range r.TriggerSubjects {
		for _, denied := range slices.Concat(nex.ReservedSubjects, s.cfg.DenySubjects) {
			if server.SubjectsCollide(subject, denied) {
				return nex.Errorf(nex.CodeTriggerDenied, "The trigger subject %s overlaps with subject(s) in this node's deny list", subject)
			}
		}
	}
	return nil
}

// checkConnections checks the connections that the request brings along, before they are made.
func checkConnections(r *nex.DeployRequest) error {
	for _, given := range []struct {
		field string
		*nex.Connection
	}{{nex.FieldTriggerConnection, r.TriggerConnection}, {nex.FieldHostServices, r.HostServices}} {
		if given.Connection == nil {
			continue
		}
		if problems := natsconn.Of(given.field, *given.Connection).Problems(); len(problems) > 0 {
			return nex.Errorf(nex.CodeInvalidRequest, "invalid deploy request: %v", problems[0])
		}
	}
	return nil
}

// checkSandbox checks what the request asks of its sandbox.
func (s *Service) checkSandbox(r *nex.DeployRequest) error {
	ask := placement.Ask{MinSandbox: r.MinSandbox, MemoryMiB: r.MemoryMiB, CPUs: r.CPUs}
	if r.Egress != nil {
		ask.Egress = *r.Egress
	}
	return placement.Refuse(ask, placement.Sandboxes{
		Level: s.cfg.Sandbox, Limits: s.cfg.Limits, Network: s.cfg.Network, CPUs: s.cfg.CPUs, MemoryMiB: availableMiB(),
	})
}

func (s *Service) spec(at nex.Request, r *nex.DeployRequest, c *claims.Claims, environment map[string]string) workload.Spec {
	spec := workload.Spec{
		ID: nuid.Next(), Name: c.Subject, Namespace: at.Namespace, Description: r.Description, Type: r.Type,
		Essential: r.Essential, Restart: r.Restart.Resolve(r.Type, r.Essential), Issuer: c.Issuer, Location: r.Location, JSDomain: r.JSDomain,
		Argv: r.Argv, Environment: environment,
		Triggers: r.TriggerSubjects, TriggerConnection: given(r.TriggerConnection), HostServices: given(r.HostServices),
		MaxConcurrency: r.MaxConcurrency, CallTimeout: time.Duration(r.CallTimeoutMillis) * time.Millisecond,
		MinSandbox: r.MinSandbox, MemoryMiB: r.MemoryMiB, CPUs: r.CPUs,
	}
	if r.Egress != nil {
		spec.Egress = *r.Egress
	}
	if claims.IsDigest(c.Hash) { // else the verifier let it pass unverified
		spec.Digest = c.Hash
	}
	return spec
}

// given leaves out a connection that says nothing, as version 1 clients send it.
func given(c *nex.Connection) *nex.Connection {
	if c == nil || *c == (nex.Connection{}) {
		return nil
	}
	return c
}

// stop stops a workload that the issuer of the claims has started.
func (s *Service) stop(at nex.Request, body []byte) (any, error) {
	r, err := nex.DecodeStopRequest(body)
	if err != nil {
		return nil, err
	}
	if err := s.checkTarget(r.TargetNode); err != nil {
		return nil, err
	}
	c, err := s.cfg.Verifier.Stop(r, at.Namespace)
	if err != nil {
		return nil, err
	}
	grace := time.Duration(r.GraceMillis) * time.Millisecond
	if grace == 0 {
		grace = workload.DefaultGrace
	}
	return later(func() (any, error) {
		if err := s.cfg.Workloads.Stop(s.ctx, at.Namespace, r.WorkloadID, c.Subject, c.Issuer, grace); err != nil {
			return nil, err
		}
		return nex.StopResponse{Stopped: true, ID: r.WorkloadID, Issuer: c.Issuer, Name: c.Subject}, nil
	}), nil
}

func (s *Service) lameduck(_ nex.Request, body []byte) (any, error) {
	r, err := nex.DecodeLameDuckRequest(body)
	if err != nil {
		return nil, err
	}
	if err := s.cfg.Verifier.LameDuck(r); err != nil {
		return nil, err
	}
	s.EnterLameDuck()
	if s.cfg.LameDuck != nil {
		s.cfg.LameDuck(r.ExitAfter)
	}
	return nex.LameDuckResponse{NodeID: s.cfg.NodeID, Success: true}, nil
}
