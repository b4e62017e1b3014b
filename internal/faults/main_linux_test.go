package faults_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/function/wasm/wasmtest"
	"github.com/nex-engine/nex/internal/nextest"
)

var (
	seedFlag     = flag.Int64("seed", 0, "the `seed` that faults follow from; 0 takes a new one")
	faultsFlag   = flag.Int("faults", 25, "how `many` faults there are; 0 is no bound")
	durationFlag = flag.Duration("duration", 30*time.Second, "after this `time` there are no more faults; 0 is no bound")
	holdFlag     = flag.Duration("hold", 500*time.Millisecond, "how `long` a fault lasts at most")
	deploysFlag  = flag.Int("deploys", 100, "how `many` workloads TestDeploys deploys")
	onlyFlag     = flag.String("only", "", "the `names` of the faults to choose from, with commas between; empty is all")
)

// binDir has nex, nex-agent, runsc, and the service.
var binDir string

func TestMain(m *testing.M) {
	if file := os.Getenv(serverFile); file != "" {
		os.Exit(serveNATS(file))
	}
	flag.Parse()
	os.Exit(nextest.Isolate(func() int { return run(m) }))
}

// run builds the programs once.
func run(m *testing.M) int {
	if !nextest.Sandboxed() {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "nex-faults-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binDir = dir
	for _, build := range []func(string) error{nextest.BuildNex, nextest.BuildAgent, nextest.BuildRunsc, buildWorkloads} {
		if err := build(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return wasmtest.Run(m)
}

// buildWorkloads builds what is deployed, but for the function in Rust, and puts it into dir.
func buildWorkloads(dir string) error {
	cmd := exec.Command("go", "build", "-ldflags", "-s -w", "-o", filepath.Join(dir, "faultservice"), "./testdata/faultservice")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // static
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return nil
}
