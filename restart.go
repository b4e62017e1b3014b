package nex

import "fmt"

// RestartPolicy says when a service is started again after it has ended. It holds until the service
// is stopped on request, also across restarts of the node and of its machine.
type RestartPolicy string

// The restart policies.
const (
	RestartAlways    RestartPolicy = "always"     // after each end
	RestartOnFailure RestartPolicy = "on-failure" // after an end that was no success, among them that of the node or of its machine
	RestartNever     RestartPolicy = "never"      // not at all
)

// RestartPolicies lists every policy, in the order in which they are shown.
var RestartPolicies = []RestartPolicy{RestartAlways, RestartOnFailure, RestartNever}

// Valid reports whether p is one of [RestartPolicies].
func (p RestartPolicy) Valid() bool {
	return p == RestartAlways || p == RestartOnFailure || p == RestartNever
}

// Resolve is the policy that holds for a workload of type t that asks for p, which may be empty, or, as
// was done before there were policies, to be essential. Functions are always started again.
func (p RestartPolicy) Resolve(t WorkloadType, essential bool) RestartPolicy {
	switch {
	case t.Function():
		return RestartAlways
	case p != "":
		return p
	case essential:
		return RestartAlways
	}
	return RestartNever
}

// Check refuses a policy that is none, that contradicts essential, or that the type t cannot have; empty
// is fine. The error is the end of a sentence that begins with what is checked.
func (p RestartPolicy) Check(t WorkloadType, essential bool) error {
	switch {
	case p == "":
		return nil
	case !p.Valid():
		return fmt.Errorf("expected always, on-failure or never, got %q", clip(string(p)))
	case essential && p != RestartAlways:
		return fmt.Errorf("%s contradicts essential, which is always: give one of the two", p)
	case t.Function() && p != RestartAlways:
		return fmt.Errorf("a %s function answers until it is stopped, so that its policy is always: leave it away", t)
	}
	return nil
}
