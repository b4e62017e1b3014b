package state

import (
	"path/filepath"
	"time"

	nex "github.com/nex-engine/nex"
)

// Record is what is kept of a workload.
type Record struct {
	// ID is the workload's id: letters, digits, _ and -. Required.
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	Namespace string            `json:"namespace"`
	Type      nex.WorkloadType  `json:"type"`
	Restart   nex.RestartPolicy `json:"restart"` // the policy that holds
	State     nex.State         `json:"state"`
	Reason    string            `json:"reason,omitempty"` // of the last change of state
	// AgentID is the agent that runs it; empty while there is none.
	AgentID string           `json:"agent,omitempty"`
	Sandbox nex.SandboxLevel `json:"sandbox,omitempty"`
	// Digest is the sha256 of the artifact, in hex; empty before it is known.
	Digest   string    `json:"digest,omitempty"`
	Restarts int       `json:"restarts,omitempty"` // starts after the first
	Accepted time.Time `json:"accepted,omitzero"`
	Started  time.Time `json:"started,omitzero"` // when the program was last started; zero before
	// Spec is all else that a start needs, in a form that the node chooses; at most [MaxSpec] bytes. In
	// the file it is sealed.
	Spec []byte `json:"-"`
}

// MaxSpec bounds Record.Spec, in bytes.
const MaxSpec = 8 << 20

// Damaged is a record that cannot be used.
type Damaged struct {
	ID     string `json:"id"`     // of the workload, as the file's name has it
	File   string `json:"file"`   // path of where it lies
	Reason string `json:"reason"` // a sentence without its end
}

// Dir is where the records of the data directory are.
func Dir(dataDir string) string { return filepath.Join(dataDir, "state") }
