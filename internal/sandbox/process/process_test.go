package process_test

import (
	"os"
	"testing"

	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/process"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest"
)

var suite = sandboxtest.Suite{
	New: func(dir, agent string) (sandbox.Driver, error) {
		return process.New(process.Config{AgentPath: agent, Dir: dir})
	},
	HostProcesses: true,
}

func TestMain(m *testing.M) { os.Exit(sandboxtest.Main(m, suite)) }

func TestConformance(t *testing.T) {
	sandboxtest.Run(t, suite)
}
