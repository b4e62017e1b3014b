package nex

import "strings"

// DeployRequest is the body of DEPLOY.
type DeployRequest struct {
	// Argv are the program's arguments, without its name.
	Argv        []string     `json:"argv,omitempty"`
	Description string       `json:"description,omitempty"`
	Type        WorkloadType `json:"type"`
	Location    Location     `json:"location"`
	// Essential services are restarted when they end: the same as the restart policy always, for nodes
	// that know no other.
	Essential bool `json:"essential,omitempty"`
	// Restart says when a service is started again; empty is always if Essential is set, else never.
	// Functions always are.
	Restart RestartPolicy `json:"restart,omitempty"`
	// WorkloadJWT holds the start claims: see docs/protocol.md.
	WorkloadJWT string `json:"workload_jwt"`
	// Environment is base64 of a JSON map of strings, sealed by the sender's xkey to the node's.
	Environment string `json:"environment,omitempty"`
	// JSDomain selects the JetStream domain of a nats location.
	JSDomain string `json:"jsdomain,omitempty"`
	// SenderPublicKey is the public xkey that sealed Environment.
	SenderPublicKey string `json:"sender_public_key,omitempty"`
	TargetNode      string `json:"target_node"`

	TriggerSubjects   []string    `json:"trigger_subjects,omitempty"`
	TriggerConnection *Connection `json:"trigger_connection,omitempty"`
	HostServices      *Connection `json:"host_services,omitempty"`

	// MaxConcurrency is how many calls of a function may run at one time on a node; 0 takes the node's
	// default.
	MaxConcurrency int `json:"max_concurrency,omitempty"`
	// CallTimeoutMillis bounds a call of a function, waiting for its turn included; 0 takes the node's
	// default, 5 s.
	CallTimeoutMillis int `json:"call_timeout_ms,omitempty"`

	// MinSandbox is the weakest level that will do; empty means any that the node has.
	MinSandbox SandboxLevel `json:"min_sandbox,omitempty"`
	// MemoryMiB and CPUs bound what the workload takes of the machine, in MiB and in processors, of
	// which 0.5 is half a one; 0 takes the node's default.
	MemoryMiB int     `json:"memory_mib,omitempty"`
	CPUs      float64 `json:"cpus,omitempty"`
	// Egress says where a service may connect to, within what the node allows; nil is all of that.
	Egress *Egress `json:"egress,omitempty"`

	// RetryCount and RetriedAt are set by version 1 nodes that deploy again; they are not signed.
	RetryCount int    `json:"retry_count,omitempty"`
	RetriedAt  string `json:"retried_at,omitempty"`
}

// Connection is a NATS connection that a request brings along.
type Connection struct {
	URL      string `json:"nats_url"`
	UserJWT  string `json:"nats_user_jwt"`
	UserSeed string `json:"nats_user_seed"`
}

// The fields of a DeployRequest that have a [Connection], as messages name them.
const (
	FieldTriggerConnection = "trigger_connection"
	FieldHostServices      = "host_services"
)

// Limits of a DeployRequest.
const (
	MaxArgs        = 256
	MaxDescription = 1024
	MaxTriggers    = 64
	// MaxConcurrency bounds DeployRequest.MaxConcurrency.
	MaxConcurrency = 1024
	// MaxCallTimeoutMillis bounds DeployRequest.CallTimeoutMillis: five minutes.
	MaxCallTimeoutMillis = 5 * 60 * 1000
	// MinMemoryMiB and MaxMemoryMiB bound DeployRequest.MemoryMiB: 16 MiB to 1 TiB.
	MinMemoryMiB = 16
	MaxMemoryMiB = 1 << 20
	// MinCPUs and MaxCPUs bound DeployRequest.CPUs.
	MinCPUs = 0.01
	MaxCPUs = 1024

	maxSubjectLength  = 256
	maxArgumentLength = 64 << 10
)

// DecodeDeployRequest parses and checks the body of DEPLOY. The error is an [Error] that names the
// first field that is wrong. It does not look into claims and environment.
func DecodeDeployRequest(body []byte) (*DeployRequest, error) {
	var r DeployRequest
	if err := decodeBody(body, &r); err != nil {
		return nil, err
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	return &r, nil
}

func (r *DeployRequest) check() error {
	bad := func(format string, args ...any) error {
		return Errorf(CodeInvalidRequest, "invalid deploy request: "+format, args...)
	}
	switch {
	case r.Type == "":
		return bad("type is missing")
	case !r.Type.Valid():
		return Errorf(CodeUnsupportedType, "Unsupported workload type on this node: %s", clip(string(r.Type)))
	case len(r.Description) > MaxDescription:
		return bad("description is longer than %d bytes", MaxDescription)
	case len(r.Argv) > MaxArgs:
		return bad("argv has more than %d entries", MaxArgs)
	case len(r.TriggerSubjects) > MaxTriggers:
		return bad("trigger_subjects has more than %d entries", MaxTriggers)
	case r.MaxConcurrency < 0 || r.MaxConcurrency > MaxConcurrency:
		return bad("max_concurrency must be between 0 and %d", MaxConcurrency)
	case r.CallTimeoutMillis < 0 || r.CallTimeoutMillis > MaxCallTimeoutMillis:
		return bad("call_timeout_ms must be between 0 and %d", MaxCallTimeoutMillis)
	case r.WorkloadJWT == "":
		return Errorf(CodeInvalidClaims, "invalid deploy request: workload_jwt is missing: sign the request with an issuer key")
	case r.Environment != "" && r.SenderPublicKey == "":
		return bad("environment without sender_public_key")
	case r.SenderPublicKey != "" && !IsXkey(r.SenderPublicKey):
		return bad("sender_public_key %q is not a public xkey", clip(r.SenderPublicKey))
	}
	if err := r.Restart.Check(r.Type, r.Essential); err != nil {
		return bad("restart: %v", err)
	}
	if err := r.checkSandbox(); err != nil {
		return err
	}
	for _, arg := range r.Argv {
		if len(arg) > maxArgumentLength || strings.Contains(arg, "\x00") {
			return bad("argv has an entry with a NUL byte or of more than %d bytes", maxArgumentLength)
		}
	}
	for _, s := range r.TriggerSubjects {
		if err := checkTrigger(s); err != nil {
			return bad("trigger subject %q: %v", clip(s), err)
		}
	}
	return r.checkLocation()
}

// checkSandbox checks what the request asks of its sandbox.
func (r *DeployRequest) checkSandbox() error {
	bad := func(format string, args ...any) error {
		return Errorf(CodeInvalidRequest, "invalid deploy request: "+format, args...)
	}
	switch {
	case r.MinSandbox != "" && !r.MinSandbox.Valid():
		return bad("min_sandbox %q is none of %s", clip(string(r.MinSandbox)), levelNames())
	case r.MemoryMiB != 0 && (r.MemoryMiB < MinMemoryMiB || r.MemoryMiB > MaxMemoryMiB):
		return bad("memory_mib must be between %d and %d, or 0 for the node's default", MinMemoryMiB, MaxMemoryMiB)
	case r.CPUs != 0 && !(r.CPUs >= MinCPUs && r.CPUs <= MaxCPUs): // not a number is neither
		return bad("cpus must be between %v and %v, or 0 for the node's default", MinCPUs, MaxCPUs)
	case r.Egress == nil:
		return nil
	case r.Type.Function() && !r.Egress.IsZero():
		return bad("egress is for workloads with a network, and a %s function has none: leave it away", r.Type)
	}
	if err := r.Egress.Check(); err != nil {
		return bad("egress: %v", err)
	}
	return nil
}

// checkLocation checks the location, and that images alone lie in registries.
func (r *DeployRequest) checkLocation() error {
	if err := r.Location.Check(); err != nil {
		return err
	}
	return r.Location.CheckType(r.Type)
}

// RunResponse is the answer to DEPLOY.
type RunResponse struct {
	Started bool   `json:"started"`
	ID      string `json:"id"`
	Issuer  string `json:"issuer"`
	Name    string `json:"name"`
	// State is running, or starting when the artifact or the agent takes its time; events tell the
	// rest.
	State State `json:"state,omitempty"`
	// Sandbox is how the workload is isolated; empty from nodes of version 1.
	Sandbox SandboxLevel `json:"sandbox,omitempty"`
}

// StopRequest is the body of STOP.
type StopRequest struct {
	WorkloadID  string `json:"workload_id"`
	WorkloadJWT string `json:"workload_jwt"`
	TargetNode  string `json:"target_node"`

	// GraceMillis is the time between SIGTERM and SIGKILL; 0 takes the node's default, 10 s. More
	// than [MaxGraceMillis] is refused.
	GraceMillis int `json:"grace_ms,omitempty"`
}

// MaxGraceMillis bounds the grace period of a stop request: five minutes.
const MaxGraceMillis = 5 * 60 * 1000

// DecodeStopRequest parses and checks the body of STOP.
func DecodeStopRequest(body []byte) (*StopRequest, error) {
	var r StopRequest
	if err := decodeBody(body, &r); err != nil {
		return nil, err
	}
	switch {
	case checkToken(r.WorkloadID) != nil:
		return nil, Errorf(CodeInvalidRequest, "invalid stop request: workload_id %q is not an id", clip(r.WorkloadID))
	case r.WorkloadJWT == "":
		return nil, Errorf(CodeInvalidClaims, "invalid stop request: workload_jwt is missing: sign the request with the issuer key that started the workload")
	case r.GraceMillis < 0 || r.GraceMillis > MaxGraceMillis:
		return nil, Errorf(CodeInvalidRequest, "invalid stop request: grace_ms must be between 0 and %d", MaxGraceMillis)
	}
	return &r, nil
}

// StopResponse is the answer to STOP. It comes when nothing of the workload runs any more.
type StopResponse struct {
	Stopped bool   `json:"stopped"`
	ID      string `json:"id"`
	Issuer  string `json:"issuer"`
	Name    string `json:"name"`
}

// DecodeAuctionRequest parses and checks the body of AUCTION, which may be empty.
func DecodeAuctionRequest(body []byte) (*AuctionRequest, error) {
	var r AuctionRequest
	if err := decodeOptionalBody(body, &r); err != nil {
		return nil, err
	}
	if r.MinSandbox != "" && !r.MinSandbox.Valid() {
		return nil, Errorf(CodeInvalidRequest, "invalid auction request: min_sandbox %q is none of %s", clip(string(r.MinSandbox)), levelNames())
	}
	if r.MemoryMiB < 0 {
		return nil, Errorf(CodeInvalidRequest, "invalid auction request: memory_mib must not be negative")
	}
	return &r, nil
}

// DecodeLameDuckRequest parses the body of LAMEDUCK, which may be empty. It refuses an answer to another
// request, which somebody who may not send this one could direct here by a reply subject.
func DecodeLameDuckRequest(body []byte) (*LameDuckRequest, error) {
	var r struct {
		LameDuckRequest
		Type string `json:"type"` // which answers have, of nodes and of NATS services
	}
	if err := decodeOptionalBody(body, &r); err != nil {
		return nil, err
	}
	if r.Type != "" {
		return nil, Errorf(CodeInvalidRequest, "invalid lame duck request: it is an answer of type %q to another request", clip(r.Type))
	}
	if err := r.ExitAfter.Check(); err != nil {
		return nil, err
	}
	return &r.LameDuckRequest, nil
}
