package node

import (
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/workload"
)

// FunctionSettings is what a node with the settings and driver tells an agent of a function.
func FunctionSettings(s config.Config, d sandbox.Driver, spec workload.Spec) agentlink.Function {
	f := functions{node: &node{cfg: Config{Settings: s, DataDir: "data"}, driver: d}}
	return f.settings(spec, 1<<20)
}
