// Package nextest builds and runs the real programs for tests: nex, nex-agent, the examples, and the
// nats command line at the version in tools/go.mod.
package nextest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// Root is the folder of the checkout.
func Root() string {
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		panic("nextest: no caller information")
	}
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// Build builds nex, nex-agent and echoservice into dir, with the race detector if the test has it.
// A program that a deploy carries around is built as its users would: static and without it.
func Build(dir string) error {
	args := []string{"build", "-o", dir + string(filepath.Separator)}
	if raceEnabled {
		args = append(args, "-race")
	}
	if err := goTool(Root(), nil, append(args, "./cmd/nex", "./cmd/nex-agent")...); err != nil {
		return err
	}
	return goTool(Root(), []string{"CGO_ENABLED=0"}, "build", "-o", dir+string(filepath.Separator), "./examples/echoservice")
}

// BuildNATS makes the nats command line in dir: a link to the one that make test has built, or else
// a new one.
func BuildNATS(dir string) error {
	built := filepath.Join(Root(), "bin", "tools", "nats")
	if _, err := os.Stat(built); err == nil {
		return os.Symlink(built, filepath.Join(dir, "nats"))
	}
	return goTool(filepath.Join(Root(), "tools"), nil, "build", "-o", filepath.Join(dir, "nats"), "github.com/nats-io/natscli/nats")
}

func goTool(dir string, env []string, args ...string) error {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}
