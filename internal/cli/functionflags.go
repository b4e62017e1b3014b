package cli

import (
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
)

// functionFlags are what only functions have.
type functionFlags struct {
	TriggerSubjects []string      `name:"trigger_subject" aliases:"trigger-subject" help:"Subject that triggers the function; repeat the flag for more." placeholder:"SUBJECT"`
	MaxConcurrency  int           `name:"max_concurrency" aliases:"max-concurrency" help:"Calls of the function that run at one time on the node; 0 is the node's default." placeholder:"N"`
	CallTimeout     time.Duration `name:"call_timeout" aliases:"call-timeout" help:"Time that a call of the function may take, waiting for its turn included; 0 is the node's default." placeholder:"TIME"`
	connectionFlags
}

// checkFunction checks the flags for a workload of a type.
func (f functionFlags) checkFunction(t nex.WorkloadType) error {
	const longest = nex.MaxCallTimeoutMillis * time.Millisecond
	if err := f.connectionFlags.check(t); err != nil {
		return err
	}
	switch {
	case f.MaxConcurrency < 0 || f.MaxConcurrency > nex.MaxConcurrency:
		return usagef("--max_concurrency must be between 0 and %d", nex.MaxConcurrency)
	case f.CallTimeout < 0 || f.CallTimeout > longest:
		return usagef("--call_timeout must be between 0s and %s", longest)
	case f.CallTimeout != 0 && f.CallTimeout < time.Millisecond:
		return usagef("--call_timeout must be at least 1ms, or 0s for the node's default")
	case t.Function() && len(f.TriggerSubjects) == 0:
		return usagef("a function without a trigger can never be called: give the subject that it answers with --trigger_subject")
	case t.Function():
		return nil
	case len(f.TriggerSubjects) > 0:
		return f.notFor(t, "triggers", "--trigger_subject")
	case f.MaxConcurrency != 0:
		return f.notFor(t, "calls", "--max_concurrency")
	case f.CallTimeout != 0:
		return f.notFor(t, "calls", "--call_timeout")
	}
	return nil
}

func (functionFlags) notFor(t nex.WorkloadType, what, flag string) error {
	return usagef("a workload of type %s cannot have %s: leave %s away", t, what, flag)
}

// set puts the flags into a deployment.
func (f functionFlags) set(d *client.Deployment) error {
	d.Triggers, d.MaxConcurrency, d.CallTimeout = f.TriggerSubjects, f.MaxConcurrency, f.CallTimeout
	return f.connectionFlags.set(d)
}
