package nex

import "strings"

// WorkloadType says what kind of artifact a workload is, and so which runtime runs it.
type WorkloadType string

// The workload types.
const (
	TypeNative WorkloadType = "native" // a program for the node's operating system
	TypeV8     WorkloadType = "v8"     // a JavaScript function
	TypeWasm   WorkloadType = "wasm"   // a WebAssembly function (WASI preview 1)
	TypeOCI    WorkloadType = "oci"    // a container image, whose program is a service
)

// WorkloadTypes lists every known type, in the order in which they are shown.
var WorkloadTypes = []WorkloadType{TypeNative, TypeV8, TypeWasm, TypeOCI}

// Valid reports whether t is one of [WorkloadTypes].
func (t WorkloadType) Valid() bool {
	return t == TypeNative || t == TypeV8 || t == TypeWasm || t == TypeOCI
}

// Function reports whether workloads of this type run once per trigger rather than until stopped.
func (t WorkloadType) Function() bool { return t == TypeV8 || t == TypeWasm }

// SandboxLevel is how strongly a workload is isolated from its node.
type SandboxLevel string

// The sandbox levels, weakest first.
const (
	SandboxNone    SandboxLevel = "none"    // an ordinary process of the node's user
	SandboxGVisor  SandboxLevel = "gvisor"  // a user-space kernel
	SandboxMicroVM SandboxLevel = "microvm" // a virtual machine
)

// SandboxLevels lists every level, weakest first.
var SandboxLevels = []SandboxLevel{SandboxNone, SandboxGVisor, SandboxMicroVM}

// Valid reports whether l is one of [SandboxLevels].
func (l SandboxLevel) Valid() bool { return l.rank() >= 0 }

// AtLeast reports whether l isolates at least as strongly as min. An empty or unknown min asks
// for nothing and is met by every valid level.
func (l SandboxLevel) AtLeast(min SandboxLevel) bool { return l.rank() >= max(min.rank(), 0) }

// levelNames lists the levels for a sentence.
func levelNames() string {
	names := make([]string, len(SandboxLevels))
	for i, l := range SandboxLevels {
		names[i] = string(l)
	}
	return strings.Join(names, ", ")
}

func (l SandboxLevel) rank() int {
	for i, level := range SandboxLevels {
		if l == level {
			return i
		}
	}
	return -1
}

// State is where a workload is in its life. See ARCHITECTURE.md for the table of moves.
type State string

// The states of a workload.
const (
	StateStarting   State = "starting"   // accepted; artifact, agent or program not there yet
	StateRunning    State = "running"    // the program runs, or the function answers
	StateRestarting State = "restarting" // it ended and will be started again
	StateStopping   State = "stopping"   // asked to stop, within its grace period
	StateStopped    State = "stopped"    // ended because somebody asked
	StateCompleted  State = "completed"  // ended by itself with success
	StateFailed     State = "failed"     // ended by itself, or never started; reason kept
)

// Ended reports whether the state is final.
func (s State) Ended() bool {
	return s == StateStopped || s == StateCompleted || s == StateFailed
}

// Exit is how a program ended. The zero value is success.
type Exit struct {
	// Code is the exit status; -1 when a signal ended the program.
	Code int `json:"code"`
	// Signal is the name of the signal that ended the program, such as SIGKILL; empty if none did.
	Signal string `json:"signal,omitempty"`
	// OOM is set when memory ran out: the kernel killed the program, or the function was over its bound.
	OOM bool `json:"oom,omitempty"`
}

// Success reports whether the program ended by itself with status 0.
func (e Exit) Success() bool { return e == Exit{} }

// String says how the program ended, as the end of a sentence that begins with "the program".
func (e Exit) String() string {
	switch {
	case e.OOM:
		return "was killed because memory ran out"
	case e.Signal != "":
		return "was ended by " + e.Signal
	case e.Code == 0:
		return "ended with status 0"
	default:
		return "ended with status " + itoa(e.Code)
	}
}
