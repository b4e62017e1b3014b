package gvisor_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/nex-engine/nex/internal/cgroup"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/gvisor"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest"
)

// runscVariable hands the program on to the part of the suite that is another process.
const runscVariable = "NEX_GVISOR_TEST_RUNSC"

var suite = sandboxtest.Suite{
	New: func(dir, agent string) (sandbox.Driver, error) {
		return newDriver(gvisor.Config{AgentPath: agent, Dir: dir})
	},
	Keeps: "rootfs-*",
}

// bounded is a driver with the control groups that it uses.
type bounded struct {
	*gvisor.Driver
	groups *cgroup.Manager
}

func (b bounded) Close() error { return b.groups.Close() }

func newDriver(c gvisor.Config) (bounded, error) {
	name := sha256.Sum256([]byte(c.Dir))
	groups, err := cgroup.Open(cgroup.Config{Prefix: "nex-test-" + hex.EncodeToString(name[:6])})
	if err != nil {
		return bounded{}, err
	}
	c.Runsc, c.Cgroups = os.Getenv(runscVariable), groups
	if c.Logger == nil {
		c.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	d, err := gvisor.New(c)
	if err != nil {
		_ = groups.Close()
		return bounded{}, err
	}
	return bounded{d, groups}, nil
}

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(holderVariable) != "":
		os.Exit(hold())
	case os.Getenv(earlierVariable) != "":
		os.Exit(earlier())
	case os.Getenv(runscVariable) != "": // it is another process of the tests, in the namespaces of the first
		os.Exit(sandboxtest.Main(m, suite))
	}
	os.Exit(nextest.Isolate(func() int { return run(m) }))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "nex-gvisor-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = nextest.BuildRunsc(dir)
	}
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err == nil {
		err = os.Setenv(runscVariable, filepath.Join(dir, "runsc"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return sandboxtest.Main(m, suite)
}

func TestConformance(t *testing.T) { sandboxtest.Run(t, suite) }
