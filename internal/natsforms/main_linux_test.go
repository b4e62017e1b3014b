package natsforms_test

// This file builds the programs that forms run.

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/nex-engine/nex/internal/nextest"
)

// binDir has the programs that forms run: nex, nex-agent, nats, nsc, and formservice.
var binDir string

func TestMain(m *testing.M) {
	os.Exit(nextest.Isolate(func() int { return run(m) }))
}

// run builds the programs once for all forms.
func run(m *testing.M) int {
	if !nextest.Sandboxed() {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "nex-natsforms-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binDir = dir
	for _, build := range []func(string) error{nextest.BuildNex, nextest.BuildAgent, nextest.BuildNATS, nextest.BuildNSC, buildService} {
		if err := build(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

// buildService builds the service that forms deploy into dir.
func buildService(dir string) error {
	cmd := exec.Command("go", "build", "-ldflags", "-s -w", "-o", filepath.Join(dir, "formservice"), "./testdata/formservice")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // static
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return nil
}
