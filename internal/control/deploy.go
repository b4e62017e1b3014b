package control

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nuid"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/claims"
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
	environment, err := s.openEnvironment(r)
	if err != nil {
		return nil, err
	}
	c, err := s.cfg.Verifier.Start(r, at.Namespace)
	if err != nil {
		return nil, err
	}
	spec := s.spec(at, r, c, environment)
	return later(func() (any, error) {
		state, err := s.cfg.Workloads.Deploy(s.ctx, spec)
		if err != nil {
			return nil, err
		}
		return nex.RunResponse{Started: true, ID: spec.ID, Issuer: spec.Issuer, Name: spec.Name, State: state}, nil
	}), nil
}

func (s *Service) checkTarget(node string) error {
	if node != "" && node != s.cfg.NodeID {
		return nex.Errorf(nex.CodeWrongNode, "the request is for another node: send it to its target_node, or make one for node %s", s.cfg.NodeID)
	}
	return nil
}

// checkType checks the workload's type and, of a function, its triggers.
func (s *Service) checkType(r *nex.DeployRequest) error {
	if !slices.Contains(s.cfg.Types, r.Type) {
		return nex.Errorf(nex.CodeUnsupportedType, "Unsupported workload type on this node: %s", r.Type)
	}
	if len(r.TriggerSubjects) > 0 && !r.Type.Function() {
		return nex.Errorf(nex.CodeUnsupportedTrigger, "Unsupported workload type for trigger subject registration: %s", r.Type)
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

// openEnvironment opens what was sealed to this node.
func (s *Service) openEnvironment(r *nex.DeployRequest) (map[string]string, error) {
	if r.Environment == "" {
		return nil, nil
	}
	unreadable := func(why string) error {
		return nex.Errorf(nex.CodeEnvironmentUnreadable, "Failed to decrypt environment for deploy request: %s", why)
	}
	sealed, err := base64.StdEncoding.DecodeString(r.Environment)
	if err != nil {
		return nil, unreadable("it is not base64")
	}
	plain, err := s.cfg.Xkey.Open(sealed, r.SenderPublicKey)
	if err != nil {
		return nil, unreadable("it was not sealed by sender_public_key to this node's xkey")
	}
	var environment map[string]string
	if err := json.Unmarshal(plain, &environment); err != nil {
		return nil, unreadable("it is not a JSON map of strings")
	}
	for name, value := range environment {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.Contains(value, "\x00") {
			return nil, unreadable("a name is empty or has an =, or there is a NUL character")
		}
	}
	return environment, nil
}

func (s *Service) spec(at nex.Request, r *nex.DeployRequest, c *claims.Claims, environment map[string]string) workload.Spec {
	spec := workload.Spec{
		ID: nuid.Next(), Name: c.Subject, Namespace: at.Namespace, Description: r.Description, Type: r.Type,
		Essential: r.Essential, Issuer: c.Issuer, Location: r.Location, JSDomain: r.JSDomain,
		Argv: r.Argv, Environment: s.withDefaults(r.Type, environment), Triggers: r.TriggerSubjects,
	}
	if claims.IsDigest(c.Hash) { // else the verifier let it pass unverified
		spec.Digest = c.Hash
	}
	return spec
}

// withDefaults adds what a program may count on where it runs, such as NATS_URL. A name counts as
// set in whatever case it is written.
func (s *Service) withDefaults(t nex.WorkloadType, environment map[string]string) map[string]string {
	if t.Function() || len(s.cfg.DefaultEnvironment) == 0 {
		return environment
	}
	full := maps.Clone(s.cfg.DefaultEnvironment)
	for name, value := range environment {
		for preset := range full {
			if strings.EqualFold(preset, name) {
				delete(full, preset)
			}
		}
		full[name] = value
	}
	return full
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
	return nex.LameDuckResponse{NodeID: s.cfg.NodeID, Success: true}, nil
}
