// Package workload runs workloads: it owns their state, starts them on agents, starts essential
// ones again when they end, and stops them.
//
// Each workload has one goroutine, which alone changes its state, in one function, each change an
// event. Everybody else sees snapshots.
package workload

import (
	"time"

	nex "github.com/nex-engine/nex"
)

// Spec is what to run. It is not changed after Deploy.
type Spec struct {
	ID          string // unique on this node; also the id on the wire
	Name        string
	Namespace   string
	Description string
	Type        nex.WorkloadType
	Essential   bool
	Restart     nex.RestartPolicy // empty for what Essential and Type say: see its Resolve
	Issuer      string            // account key that may stop it
	Location    nex.Location
	JSDomain    string
	Digest      string // sha256 the artifact must have; empty when it need not be verified
	Argv        []string
	Environment map[string]string

	Configured bool // the node's configuration has it, and so no longer when that has not

	MinSandbox nex.SandboxLevel // the weakest that will do; empty for any
	MemoryMiB  int              // 0 for the node's
	CPUs       float64          // 0 for the node's
	Egress     nex.Egress       // narrows the node's

	// What follows is for functions.
	Triggers          []string
	TriggerConnection *nex.Connection // nil for the node's
	HostServices      *nex.Connection // nil for the node's
	MaxConcurrency    int             // 0 for the node's
	CallTimeout       time.Duration   // 0 for the node's
}

// Status is a snapshot of a workload.
type Status struct {
	Spec     Spec
	State    nex.State
	Reason   string // of the last change of state
	Restarts int    // starts after the first
	Exit     *nex.Exit
	Accepted time.Time // when it was deployed
	Started  time.Time // when the program was last started; zero before
	Digest   string    // of the artifact that runs; empty before it is known
	Sandbox  nex.SandboxLevel
	Calls    *nex.CallStats // of a function that has been started
}

// moves are the changes of state there are.
var moves = map[nex.State][]nex.State{
	"":                  {nex.StateStarting, nex.StateRunning, nex.StateRestarting, nex.StateCompleted, nex.StateFailed, nex.StateStopping}, // of an earlier node process all but the first
	nex.StateStarting:   {nex.StateRunning, nex.StateFailed, nex.StateStopping},
	nex.StateRunning:    {nex.StateRestarting, nex.StateCompleted, nex.StateFailed, nex.StateStopping},
	nex.StateRestarting: {nex.StateRunning, nex.StateRestarting, nex.StateFailed, nex.StateStopping},
	nex.StateStopping:   {nex.StateStopped},
}
