package client

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/claims"
)

// Deployment is what to deploy, where.
type Deployment struct {
	// Node is the target's id and Xkey its public xkey, as a ping answers them.
	Node, Xkey string
	// Issuer is the account key that signs, and that alone can stop the workload.
	Issuer nkeys.KeyPair
	// Sender is the xkey that seals the environment; needed only with one.
	Sender nkeys.KeyPair

	Name        string
	Type        nex.WorkloadType
	Location    nex.Location
	JSDomain    string // of a nats location; empty means that of the Client's Config
	Digest      string // sha256 of the artifact, of an image that of its manifest, in hex
	Description string
	Argv        []string
	Environment map[string]string
	Essential   bool // the same as the restart policy always
	// Restart says when a service is started again; empty is always if Essential is set, else never.
	// Functions always are.
	Restart nex.RestartPolicy

	// MinSandbox is the weakest sandbox level that will do; empty means any that the node has.
	MinSandbox nex.SandboxLevel
	// MemoryMiB and CPUs bound what the workload takes of the machine; 0 takes the node's default.
	MemoryMiB int
	CPUs      float64
	// Egress says where a service may connect to, within what the node allows; the zero value is all of
	// that.
	Egress nex.Egress

	// The rest is for functions alone, which need a trigger: what nobody can call is a mistake.
	Triggers []string
	// MaxConcurrency is how many calls may run at one time on the node; 0 takes the node's default.
	MaxConcurrency int
	// CallTimeout bounds a call, waiting for its turn included, to the millisecond; 0 takes the node's
	// default.
	CallTimeout time.Duration
	// TriggerConnection and HostServices are NATS connections for the function's triggers and host
	// services; nil takes the node's. They are sent to the node as they are: seeds are not sealed.
	TriggerConnection, HostServices *nex.Connection
}

// request is what the node is sent, without claims and environment.
func (d Deployment) request() *nex.DeployRequest {
	r := &nex.DeployRequest{
		Argv: d.Argv, Description: d.Description, Type: d.Type, Location: d.Location, Essential: d.Essential, Restart: d.Restart,
		JSDomain: d.JSDomain, TargetNode: d.Node, TriggerSubjects: d.Triggers,
		TriggerConnection: d.TriggerConnection, HostServices: d.HostServices,
		MaxConcurrency: d.MaxConcurrency, CallTimeoutMillis: int(wholeMillis(d.CallTimeout).Milliseconds()),
		MinSandbox: d.MinSandbox, MemoryMiB: d.MemoryMiB, CPUs: d.CPUs,
	}
	if !d.Egress.IsZero() {
		r.Egress = &d.Egress
	}
	return r
}

// wholeMillis rounds up: less than a millisecond is not none, which would mean the default.
func wholeMillis(d time.Duration) time.Duration {
	whole := d.Truncate(time.Millisecond)
	if whole < d {
		whole += time.Millisecond
	}
	return whole
}

// Deploy starts a workload in the namespace. It returns once the workload runs, or with state
// starting when the artifact or the agent takes its time.
func (c *Client) Deploy(ctx context.Context, d Deployment) (nex.RunResponse, error) {
	var answer nex.RunResponse
	if err := nex.CheckName(d.Name); err != nil {
		return answer, err
	}
	if err := nex.CheckNamespace(c.cfg.Namespace); err != nil {
		return answer, err
	}
	if d.JSDomain == "" && d.Location.Scheme == nex.SchemeNATS {
		d.JSDomain = c.cfg.JSDomain
	}
	r := d.request()
	if err := seal(r, d); err != nil {
		return answer, err
	}
	var err error
	r.WorkloadJWT, err = claims.Sign(d.Issuer, claims.Claims{
		Subject: d.Name, Hash: d.Digest, Node: d.Node, Namespace: c.cfg.Namespace, Request: r.Digest(),
	})
	if err != nil {
		return answer, err
	}
	err = c.nodeRequest(ctx, nex.OpDeploy, d.Node, r, &answer, c.cfg.Timeout)
	return answer, err
}

// seal puts the environment into the request, readable by the target node alone.
func seal(r *nex.DeployRequest, d Deployment) error {
	if len(d.Environment) == 0 {
		return nil
	}
	if d.Sender == nil {
		return errors.New("seal environment: an xkey to seal it with is needed: set Sender")
	}
	if !nex.IsXkey(d.Xkey) { // the library panics on some that are not
		return fmt.Errorf("seal environment: %.64q is not a public xkey: use the target_xkey that the node answers to a ping", d.Xkey)
	}
	plain, err := json.Marshal(d.Environment)
	if err != nil {
		return fmt.Errorf("seal environment: %w", err)
	}
	sealed, err := d.Sender.Seal(plain, d.Xkey)
	if err != nil {
		return fmt.Errorf("seal environment to xkey %s: %w", d.Xkey, err)
	}
	r.Environment = base64.StdEncoding.EncodeToString(sealed)
	r.SenderPublicKey, err = d.Sender.PublicKey()
	if err != nil {
		return fmt.Errorf("seal environment: %w", err)
	}
	return nil
}

// Stopping is what to stop, where.
type Stopping struct {
	Node, ID, Name string
	// Issuer is the key that signed the deployment.
	Issuer nkeys.KeyPair
	// Grace is the time between SIGTERM and SIGKILL, to the millisecond; 0 means the node's default of
	// 10 s.
	Grace time.Duration
}

// defaultGrace is the node's, which the client must wait out.
const defaultGrace = 10 * time.Second

// Stop stops a workload and returns when nothing of it runs any more. It allows the grace period on
// top of the timeout.
func (c *Client) Stop(ctx context.Context, s Stopping) (nex.StopResponse, error) {
	var answer nex.StopResponse
	token, err := claims.Sign(s.Issuer, claims.Claims{Subject: s.Name, Node: s.Node, Namespace: c.cfg.Namespace, Workload: s.ID})
	if err != nil {
		return answer, err
	}
	grace := wholeMillis(s.Grace)
	wait := c.cfg.Timeout + grace
	if grace == 0 {
		wait = c.cfg.Timeout + defaultGrace
	}
	err = c.nodeRequest(ctx, nex.OpStop, s.Node, nex.StopRequest{
		WorkloadID: s.ID, WorkloadJWT: token, TargetNode: s.Node, GraceMillis: int(grace.Milliseconds()),
	}, &answer, wait)
	return answer, err
}

// LameDuck makes a node refuse new workloads and give its triggers back, and end when exit says so;
// empty means that it does not. The issuer is needed only for nodes that have valid issuers; it may be
// nil.
func (c *Client) LameDuck(ctx context.Context, node string, exit nex.ExitAfter, issuer nkeys.KeyPair) (nex.LameDuckResponse, error) {
	var answer nex.LameDuckResponse
	if err := exit.Check(); err != nil {
		return answer, err
	}
	body := nex.LameDuckRequest{ExitAfter: exit}
	if issuer != nil {
		if err := checkNode(node); err != nil {
			return answer, err
		}
		signed := claims.Claims{Subject: node, Node: node}
		if exit != "" {
			signed.Request = body.Digest()
		}
		token, err := claims.Sign(issuer, signed)
		if err != nil {
			return answer, err
		}
		body.JWT = token
	}
	err := c.request(ctx, nex.Request{Op: nex.OpLameDuck, Node: node}, body, &answer, c.cfg.Timeout)
	return answer, err
}
