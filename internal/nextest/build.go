// Package nextest builds and runs the real programs for tests: nex, nex-agent, the examples, a
// program to deploy that behaves badly when told to, and runsc, the nats command line and nsc at the versions
// in tools/go.mod.
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

// BuildNex builds nex into dir, with the race detector if the test has it. Run it with the variables
// of [Environ].
func BuildNex(dir string) error {
	args := []string{"build", "-o", dir + string(filepath.Separator)}
	if raceEnabled {
		args = append(args, "-race")
	}
	return goTool(Root(), nil, append(args, "./cmd/nex")...)
}

// Environ are variables for programs with the race detector: without them each takes a second to end.
func Environ() []string { return []string{"GORACE=atexit_sleep_ms=0"} }

// BuildAgent builds nex-agent into dir as make does, but without the race detector: a node hands no
// variables on to its agents, and tests end hundreds of them.
func BuildAgent(dir string) error {
	built, err := filepath.Abs(filepath.Join(dir, "nex-agent"))
	if err != nil {
		return err
	}
	var link string
	switch runtime.GOOS + "/" + runtime.GOARCH {
	case "linux/amd64":
		link = "-linkmode external -extldflags -static"
	case "linux/arm64":
		link = `-linkmode external -extldflags "-static-libstdc++ -static-libgcc"`
	}
	return goTool(Root(), nil, "build", "-tags", "netgo,osusergo", "-ldflags", link, "-o", built, "./cmd/nex-agent")
}

// BuildWorkloads builds what tests deploy into dir, static as users would: echoservice, and testprog,
// which does what its arguments say (see testdata/testprog), and echofunction.wasm, a function.
func BuildWorkloads(dir string) error {
	err := goTool(Root(), []string{"CGO_ENABLED=0"}, "build", "-o", dir+string(filepath.Separator),
		"./examples/echoservice", "./internal/nextest/testdata/testprog")
	if err != nil {
		return err
	}
	return BuildFunction(filepath.Join(dir, "echofunction.wasm"), "./examples/wasm-go")
}

// BuildFunction builds a package of the module as a WebAssembly function.
func BuildFunction(output, pkg string) error {
	output, err := filepath.Abs(output)
	if err != nil {
		return err
	}
	return goTool(Root(), []string{"GOOS=wasip1", "GOARCH=wasm"}, "build", "-o", output, pkg)
}

// BuildNATS makes the nats command line in dir: a link to the one that make test has built, or else
// a new one.
func BuildNATS(dir string) error { return buildTool(dir, "nats", "github.com/nats-io/natscli/nats") }

// BuildNSC makes nsc, which edits operators, accounts and users, in dir: as [BuildNATS] does.
func BuildNSC(dir string) error { return buildTool(dir, "nsc", "github.com/nats-io/nsc/v2") }

func buildTool(dir, name, pkg string) error {
	built := filepath.Join(Root(), "bin", "tools", name)
	if _, err := os.Stat(built); err == nil {
		return os.Symlink(built, filepath.Join(dir, name))
	}
	return goTool(filepath.Join(Root(), "tools"), nil, "build", "-o", filepath.Join(dir, name), pkg)
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
