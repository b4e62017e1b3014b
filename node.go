package nex

// Tags that every node sets by itself.
const (
	TagOS       = "nex.os"       // GOOS
	TagArch     = "nex.arch"     // GOARCH
	TagCPUs     = "nex.cpucount" // decimal
	TagUnsafe   = "nex.unsafe"   // "true" when workloads run without a sandbox
	TagLameDuck = "nex.lameduck" // "true" when the node takes no new workloads
	TagSandbox  = "nex.sandbox"  // the node's SandboxLevel
)

// PingResponse is a node's answer to PING and, as a bid, to AUCTION.
type PingResponse struct {
	NodeID          string            `json:"node_id"`
	Nexus           string            `json:"nexus,omitempty"`
	Version         string            `json:"version"`
	Uptime          string            `json:"uptime"` // as Duration prints it: 8m47s
	TargetXkey      string            `json:"target_xkey"`
	Tags            map[string]string `json:"tags,omitempty"`
	RunningMachines int               `json:"running_machines"`
}

// AuctionRequest asks which nodes could take a workload. An absent field asks for nothing.
type AuctionRequest struct {
	Arch          string            `json:"arch,omitempty"`
	OS            string            `json:"os,omitempty"`
	Sandboxed     *bool             `json:"sandboxed,omitempty"`
	Tags          map[string]string `json:"tags,omitempty"`
	WorkloadTypes []WorkloadType    `json:"workload_types,omitempty"`

	// MinSandbox asks for at least this level.
	MinSandbox SandboxLevel `json:"min_sandbox,omitempty"`
	// MemoryMiB asks for this much available memory.
	MemoryMiB int `json:"memory_mib,omitempty"`
	// Explain makes unsuitable nodes answer as well, with their reasons.
	Explain bool `json:"explain,omitempty"`
}

// AuctionResponse is a node's answer to an auction. A node that does not bid is silent unless
// asked to explain; then Bid is false and Reasons says why, a sentence each. A version 1 node
// sends no bid field, and every answer of it is a bid.
type AuctionResponse struct {
	PingResponse
	Bid     *bool    `json:"bid,omitempty"`
	Reasons []string `json:"reasons,omitempty"`
}

// Bids reports whether the node would take the workload.
func (r AuctionResponse) Bids() bool { return r.Bid == nil || *r.Bid }

// WorkloadPingResponse is the answer to WPING of a node on which something matches.
type WorkloadPingResponse struct {
	NodeID          string            `json:"node_id"`
	TargetXkey      string            `json:"target_xkey"`
	Version         string            `json:"version"`
	Tags            map[string]string `json:"tags,omitempty"`
	Uptime          string            `json:"uptime"`
	RunningMachines []WorkloadPing    `json:"running_machines"`
}

// WorkloadPing names one workload in a [WorkloadPingResponse].
type WorkloadPing struct {
	ID        string       `json:"id"`
	Namespace string       `json:"namespace"`
	Name      string       `json:"name"`
	Type      WorkloadType `json:"type"`
}

// MemoryInfo is the memory of the node's machine, in kB.
type MemoryInfo struct {
	Total     int `json:"total"`
	Free      int `json:"free"`
	Available int `json:"available"`
}

// InfoResponse is the answer to INFO: the node, and the workloads of one namespace on it.
type InfoResponse struct {
	Version                string            `json:"version"`
	Uptime                 string            `json:"uptime"`
	PublicXkey             string            `json:"public_xkey"`
	Tags                   map[string]string `json:"tags,omitempty"`
	Memory                 *MemoryInfo       `json:"memory,omitempty"`
	AvailableAgents        int               `json:"available_agents"` // idle agents in the pool
	Machines               []MachineInfo     `json:"machines"`
	SupportedWorkloadTypes []WorkloadType    `json:"supported_workload_types,omitempty"`
}

// MachineInfo is one workload in an [InfoResponse], with the sandbox it runs in.
type MachineInfo struct {
	ID        string          `json:"id"`
	Healthy   bool            `json:"healthy"`
	Uptime    string          `json:"uptime"` // since the workload was accepted
	Namespace string          `json:"namespace"`
	Workload  WorkloadSummary `json:"workload"`

	State    State        `json:"state,omitempty"`
	Sandbox  SandboxLevel `json:"sandbox,omitempty"`
	Restarts int          `json:"restarts"`
	Reason   string       `json:"reason,omitempty"` // of the last change of state
	Triggers []string     `json:"triggers,omitempty"`
	// Limits are what the workload may take of the machine, as far as the node can hold it to them.
	Limits *Limits `json:"limits,omitempty"`

	// Calls is set for functions.
	Calls *CallStats `json:"calls,omitempty"`
}

// Limits are what a workload may take of its node's machine. 0 means that there is no bound.
type Limits struct {
	MemoryMiB int     `json:"memory_mib,omitempty"`
	CPUs      float64 `json:"cpus,omitempty"`       // 1.5 is one and a half processors
	PIDs      int     `json:"pids,omitempty"`       // processes and threads
	OpenFiles int     `json:"open_files,omitempty"` // of each process
	DiskMiB   int     `json:"disk_mib,omitempty"`   // of all that is written inside
}

// CallStats are the calls of a function since it was deployed on the node.
type CallStats struct {
	// Total is the number of calls that were answered, also those that failed.
	Total uint64 `json:"total"`
	// Errors of them failed.
	Errors uint64 `json:"errors"`
	// Refused of the Errors were refused because too many others waited.
	Refused uint64 `json:"refused,omitempty"`
	// InFlight is the number of calls that run or wait now.
	InFlight int `json:"in_flight"`
	// P50Nanos and P99Nanos are quantiles of the time from the arrival of a call at the node to its
	// answer, of all that were not refused, within 5 %; 0 before the first call.
	P50Nanos int64 `json:"p50_nanos"`
	P99Nanos int64 `json:"p99_nanos"`
	// MemoryBytes is the resident memory of the function's agent when it was last reported; 0 if it
	// was not.
	MemoryBytes int64 `json:"memory_bytes,omitempty"`
}

// WorkloadSummary says what a workload is.
type WorkloadSummary struct {
	ID          string       `json:"id"`
	Name        string       `json:"name"`
	Description string       `json:"description,omitempty"`
	Essential   bool         `json:"essential"`
	Runtime     string       `json:"runtime"` // since the program was last started: 8m47s
	Type        WorkloadType `json:"type"`
	Hash        string       `json:"hash"` // sha256 of the artifact in hex
	// Restart is the policy that holds; empty from nodes that know none.
	Restart RestartPolicy `json:"restart,omitempty"`
}

// LameDuckRequest is the body of LAMEDUCK. It may be empty on a node without valid issuers.
type LameDuckRequest struct {
	// JWT holds claims with the node id as subject, by one of the node's valid issuers.
	JWT string `json:"jwt,omitempty"`
	// ExitAfter says when the node ends; empty means that it does not.
	ExitAfter ExitAfter `json:"exit_after,omitempty"`
}

// LameDuckResponse is the answer to LAMEDUCK.
type LameDuckResponse struct {
	NodeID  string `json:"node_id"`
	Success bool   `json:"success"`
}
