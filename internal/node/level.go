package node

import (
	"fmt"
	"path/filepath"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/sandbox/gvisor"
	"github.com/nex-engine/nex/internal/sandbox/microvm"
	"github.com/nex-engine/nex/internal/sandboxdir"
)

// stay refuses to go on at another level than the one which is not to be had, if workloads run at it: they would be
// ended, and what is missing may be back in a moment.
func (n *node) stay(level nex.SandboxLevel, missing error) error {
	running := n.running(level)
	if running == 0 {
		return nil
	}
	return fmt.Errorf("workloads that an earlier process of this node has left run in sandboxes of level %s (%d of them), which is not to be had now: %w: bring back what is missing, or forget these workloads with nex node state rm, and the node ends them when it starts", level, running, missing)
}

// running is how many of the workloads still run that an earlier process of the node has left in sandboxes of a
// level.
func (n *node) running(level nex.SandboxLevel) int {
	running := 0
	for _, r := range n.records {
		if r.Sandbox != level || r.AgentID == "" {
			continue
		}
		left, err := sandboxdir.ReadRecord(filepath.Join(n.sandboxDir(drivers[level]), r.AgentID))
		if err == nil && left.Process.Running() {
			running++
		}
	}
	return running
}

// drivers are the names of the drivers of the levels of sandboxes.
var drivers = map[nex.SandboxLevel]string{nex.SandboxGVisor: gvisor.Name, nex.SandboxMicroVM: microvm.Name}
