package agent

import (
	"context"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
)

// work is a workload that runs: a program, or a function that answers calls.
type work interface {
	// reply is the answer to the Deploy.
	reply() agentlink.DeployReply
	// attend stays with it until nothing of it is left and its log is complete, and says how it ended. It
	// stops it when a grace period comes from stops, and kills it when ctx ends, which is the only
	// thing that it returns as an error.
	attend(ctx context.Context, stops <-chan time.Duration) (nex.Exit, error)
}
