package agent

import (
	"context"
	"time"

	nex "github.com/nex-engine/nex"
)

// work is a workload that runs: a program, or a function that answers calls.
type work interface {
	// pid is the process that it runs in, as the agent sees it.
	pid() int
	// attend stays with it until nothing of it is left and its log is sent, and says how it ended. It
	// stops it when a grace period comes from stops, and kills it when ctx ends, which is the only
	// thing that it returns as an error.
	attend(ctx context.Context, stops <-chan time.Duration) (nex.Exit, error)
}
