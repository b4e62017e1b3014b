package proctree

import "errors"

// ErrNotFound means that no process has the number.
var ErrNotFound = errors.New("no such process")

// Identity says which process is meant, also after its number was given to another. It can be
// stored and outlives both the process and a restart of the machine.
type Identity struct {
	PID int `json:"pid"`
	// StartTime is when the process started, in the unit of the operating system.
	StartTime uint64 `json:"start_time"`
	// BootID tells one run of the machine from another where StartTime counts from its start
	// (linux); elsewhere it is empty.
	BootID string `json:"boot_id,omitempty"`
}

// Identify returns the identity of the process that has the number now. The error is [ErrNotFound]
// when there is none.
func Identify(pid int) (Identity, error) { return identify(pid) }

// Running reports whether that very process still runs. One that has ended and that its parent has
// not waited for does not.
func (id Identity) Running() bool { return id.running() }
