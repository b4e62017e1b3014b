package agentlink

import (
	"encoding/json"
	"fmt"
	"time"

	nex "github.com/nex-engine/nex"
)

// Protocol is the version of what node and agent say to each other. A node takes an agent over from an
// earlier process, which may have been of another version of Nex, only if both speak the same.
const Protocol = 1

// MaxMessageBytes bounds a message in either direction.
const MaxMessageBytes = 2 << 20

// Bootstrap is what an agent needs to find its node: one JSON document on its standard input.
type Bootstrap struct {
	AgentID string `json:"agent_id"`
	// URL is the internal NATS server, nats://127.0.0.1:port. Empty means that it is reached by the
	// socket.
	URL string `json:"url,omitempty"`
	// Seed is the agent's nkey user seed.
	Seed string `json:"seed"`
	// LinkDir is the directory of the socket, as the agent sees it, and Token what is said there first.
	LinkDir string `json:"link_dir"`
	Token   string `json:"token"`
	// OrphanTimeout is for how long an agent that has a workload goes on without its node; 0 means for ever.
	OrphanTimeout time.Duration `json:"orphan_timeout_ns,omitempty"`
}

// Handshake is the first message of an agent on each connection.
type Handshake struct {
	AgentID string `json:"agent_id"`
	// Protocol is [Protocol], of the agent.
	Protocol int    `json:"protocol"`
	Version  string `json:"version"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
	// Types are the workload types that the agent can run.
	Types []nex.WorkloadType `json:"types"`
	// Held is set by an agent that has lost its link and comes back with its workload.
	Held *Held `json:"held,omitempty"`
}

// Held is the workload that an agent has kept while it was without a node. It has been started, whether or
// not the node has heard the answer to its Deploy; one that was being started when the link was lost comes
// back when that has succeeded.
type Held struct {
	WorkloadID string `json:"workload_id"`
	// PID is as in the DeployReply.
	PID int `json:"pid"`
	// Exit is how the workload ended meanwhile; nil while it runs. It is told by an Exited besides.
	Exit *nex.Exit `json:"exit,omitempty"`
}

// HandshakeReply accepts an agent.
type HandshakeReply struct {
	NodeID string `json:"node_id"`
}

// Deploy makes the agent start its workload. It is sent once.
type Deploy struct {
	WorkloadID string           `json:"workload_id"`
	Name       string           `json:"name"`
	Namespace  string           `json:"namespace"`
	Type       nex.WorkloadType `json:"type"`
	// Path is the artifact as the agent sees it; Digest its sha256 in hex, which the agent checks.
	Path        string            `json:"path"`
	Digest      string            `json:"digest"`
	Argv        []string          `json:"argv,omitempty"`
	Environment map[string]string `json:"environment,omitempty"`
	// Function is set for workloads that are functions, Image for those that are images; these have no
	// Path, and their files are the agent's root.
	Function *Function `json:"function,omitempty"`
	Image    *Image    `json:"image,omitempty"`
}

// Image is how the program of an image runs.
type Image struct {
	// Command is the program, which is looked for in PATH unless it has a slash, and its arguments.
	Command []string `json:"command"`
	// Environment is the image's, name=value; that of the Deploy counts more.
	Environment []string `json:"environment,omitempty"`
	// Dir is the working directory, absolute.
	Dir string `json:"dir"`
	// StopSignal is a name such as SIGQUIT, or a number; empty means SIGTERM.
	StopSignal string   `json:"stop_signal,omitempty"`
	UID        uint32   `json:"uid"`
	GID        uint32   `json:"gid"`
	Groups     []uint32 `json:"groups,omitempty"`
	Home       string   `json:"home,omitempty"`
}

// Function is how a function runs.
type Function struct {
	// Concurrency is how many calls run at one time; the agent may keep Queue more waiting. The node
	// sends no more than both together.
	Concurrency int `json:"concurrency"`
	Queue       int `json:"queue"`
	// Processors is how many the agent may use at one time; 0 means all that it sees.
	Processors int `json:"processors,omitempty"`
	// MemoryBytes bounds what one call, or the instance that it runs in, uses; ProcessBytes what the
	// agent does altogether, beyond which it ends. 0 for the latter means no bound.
	MemoryBytes  int64 `json:"memory_bytes"`
	ProcessBytes int64 `json:"process_bytes,omitempty"`
	// MaxResultBytes bounds the payload of a result.
	MaxResultBytes int `json:"max_result_bytes"`
	// Compiled is a file with what an earlier agent has compiled of the artifact, as the agent sees it; empty
	// means that there is none.
	Compiled string `json:"compiled,omitempty"`
}

// DeployReply says whether the workload runs.
type DeployReply struct {
	// PID is the program's process id as the agent sees it, the agent's own for a function.
	PID int `json:"pid,omitempty"`
	// Compiled says that the agent is going to give the node what it had to compile: [Conn.SendCompiled].
	Compiled bool `json:"compiled,omitempty"`
	// Error is set when the workload does not run.
	Error string   `json:"error,omitempty"`
	Code  nex.Code `json:"code,omitempty"`
}

// Undeploy makes the agent stop its workload: SIGTERM, then, after the grace period, SIGKILL to
// every process of it. The answer comes when none of them is left.
type Undeploy struct {
	Grace time.Duration `json:"grace_ns"`
}

// Exited says how the program ended and that nothing of its process tree is left.
type Exited struct {
	Exit nex.Exit `json:"exit"`
}

// LogsHeard says that the agent need not keep the log records up to the one with Seq any longer.
type LogsHeard struct {
	Seq uint64 `json:"seq"`
}

// Usage says how much memory the agent of a function uses.
type Usage struct {
	MemoryBytes int64 `json:"memory_bytes"` // resident, without that of files
}

// Decode parses a message of either end.
func Decode[T any](body []byte) (T, error) {
	var m T
	if len(body) > MaxMessageBytes {
		return m, fmt.Errorf("agent link message has %d bytes, more than %d", len(body), MaxMessageBytes)
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return m, fmt.Errorf("agent link message is malformed: %w", err)
	}
	return m, nil
}

// Encode is the inverse of Decode. The message types always encode.
func Encode(m any) []byte {
	b, err := json.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("agentlink: encode %T: %v", m, err))
	}
	return b
}
