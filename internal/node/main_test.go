package node_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/nex-engine/nex/internal/nextest"
)

// binDir has nex-agent and what tests deploy.
var binDir string

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run builds the programs once for all tests, and looks afterwards whether a test has left a
// goroutine or an agent.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "nex-node-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binDir = dir
	for _, build := range []func(string) error{nextest.BuildAgent, nextest.BuildWorkloads} {
		if err := build(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, "the tests left goroutines behind:", err)
		return 1
	}
	return code
}
