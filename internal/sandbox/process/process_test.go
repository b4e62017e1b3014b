package process_test

import (
	"io"
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

// With this variable the test binary is a process that ends with its standard input.
const sleeperVariable = "NEX_PROCESS_TEST_SLEEPER"

func TestMain(m *testing.M) {
	if os.Getenv(sleeperVariable) != "" {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	os.Exit(sandboxtest.Main(m, suite))
}

func TestConformance(t *testing.T) { sandboxtest.Run(t, suite) }
