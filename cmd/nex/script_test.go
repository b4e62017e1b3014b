package main_test

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/nex-engine/nex/internal/function/wasm/wasmtest"
	"github.com/nex-engine/nex/internal/nextest"
)

// binDir has the programs that scripts run: nex, nex-agent, nats, echoservice and testprog.
var binDir string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(nextest.Isolate(func() int { return run(m) }))
}

// run builds the programs once for all scripts.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "nex-script-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binDir = dir
	for _, build := range []func(string) error{nextest.BuildNex, nextest.BuildAgent, nextest.BuildWorkloads, nextest.BuildNATS, buildSandboxes} {
		if err := build(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return wasmtest.Run(m)
}

// buildSandboxes makes what sandboxes and virtual machines need, where there can be any.
func buildSandboxes(dir string) error {
	if !nextest.Sandboxed() {
		return nil
	}
	return errors.Join(nextest.BuildRunsc(dir), nextest.BuildInit(dir))
}

// TestScripts runs testdata/script/*.txtar: sessions of a user with the real programs. Besides the
// commands of testscript there are, to run something beside the script,
//
//	up [FLAG…]            start nex up --json $SANDBOX_FLAG on a free port, and set NATS_URL,
//	                      NODE_ID, CONTROL_URL, CONTROL_NKEY, DATA_DIR and UP_PID
//	node-up [FLAG…]       the same with nex node up --json; the flags say where NATS is
//	down                  stop the one started last, and fail if it does not end with status 0
//	kill-up               end it as kill -9 does
//	start NAME CMD…       start any command
//	says NAME REGEXP      wait until what it has printed matches
//	end NAME              stop it, and fail if it does not end with status 0
//	nats-server FILE      start a NATS server with a configuration file, and set SERVER_URL
//	nats-server -operator start one that trusts an operator, and set SERVER_CREDS too
//
// and, to look at what has happened,
//
//	deploy CMD…           run a command that deploys, and wait until what it deploys runs
//	eventually CMD…       run a command until it succeeds
//	exits STATUS CMD…     run a command, and fail unless it ends with the status
//	sentence REGEXP       fail unless standard error was one line, "nex: error: " and a match
//	capture NAME REGEXP   set a variable to the group of the match in standard output
//	gone TEXT             wait until no process has the text among its arguments
//	agents-gone DIR       wait until no agent of the node with that data directory runs
//
// and, for images, on the condition [debian] that there is a Debian to make one of,
//
//	images                start registries with images, and set REGISTRY, PRIVATE and DIGEST; make
//	                      the OCI layout layout and the archive echo.tar
//	debian DIR            make an OCI layout of a Debian that starts what its arguments say
//
// LEVEL is the level of their sandboxes and UNSAFE what the tag nex.unsafe is. The folder of the examples is EXAMPLES; those in WebAssembly are in the files that WASM_ECHO, for
// examples/wasm-rust, WASM_COUNTER_GO and WASM_COUNTER_RUST name. WEB_HOOK is a web server on 127.0.0.1
// that answers each POST with status 201.
//
// Nothing is waited for longer than nextest.Patience, and all scripts together may take as long as
// scriptsTimeout.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	files = slices.DeleteFunc(files, func(path string) bool {
		name := filepath.Base(path)
		return strings.HasPrefix(name, imageScripts) || name == machineScript
	})
	runScripts(t, files, map[string]string{"SANDBOX_FLAG": "--no-sandbox", "LEVEL": "none", "UNSAFE": "true"})
}

const (
	// imageScripts begins the names of scripts about images, which run in sandboxes alone.
	imageScripts = "oci"
	// machineScript is about virtual machines.
	machineScript = "microvm.txtar"
)

// TestScriptsInSandboxes runs those of the scripts again in which workloads do something, with each
// workload in a sandbox: they behave as without. Those about images it runs for the first time.
func TestScriptsInSandboxes(t *testing.T) {
	if !nextest.Sandboxed() {
		t.Skip("sandboxes with a network need linux and root")
	}
	var files []string
	for _, name := range []string{
		"devrun", "examples", "function", "function_bundle", "function_connection", "function_host", "function_kill",
		"function_look", "function_namespace", "function_slow", "function_wasm", "oci", "oci_debian", "recover", "restart", "run", "session",
	} {
		files = append(files, filepath.Join("testdata", "script", name+".txtar"))
	}
	runScripts(t, files, map[string]string{"SANDBOX_FLAG": "", "LEVEL": "gvisor", "UNSAFE": "false"})
}

// TestScriptsInMicroVMs runs the one about virtual machines. There are few of them, and each for more than one thing:
// where they are emulated the start of one takes seconds. KERNEL and MODULES are of their kernel.
func TestScriptsInMicroVMs(t *testing.T) {
	if !nextest.Virtualized() {
		t.Skip("virtual machines with a network need linux on amd64 and root")
	}
	kernel, modules, err := nextest.Kernel()
	if err != nil {
		t.Fatal(err)
	}
	runScripts(t, []string{filepath.Join("testdata", "script", machineScript)}, map[string]string{
		"SANDBOX_FLAG": "", "LEVEL": "microvm", "UNSAFE": "false", "KERNEL": kernel, "MODULES": modules,
	})
}

func runScripts(t *testing.T, files []string, given map[string]string) {
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusCreated)
		}
	}))
	t.Cleanup(hook.Close)
	maps.Copy(given, map[string]string{
		"WEB_HOOK":          hook.URL,
		"EXAMPLES":          filepath.Join(nextest.Root(), "examples"),
		"WASM_ECHO":         wasmtest.Rust(t, "examples/wasm-rust", "echofunction"),
		"WASM_COUNTER_GO":   wasmtest.GoReactor(t, "examples/wasm-reactor-go"),
		"WASM_COUNTER_RUST": wasmtest.Rust(t, "examples/wasm-reactor-rust", "counterfunction"),
	})
	testscript.Run(t, testscript.Params{
		Files: files,
		Setup: func(env *testscript.Env) error {
			for name, path := range given {
				env.Setenv(name, path)
			}
			return setup(env)
		},
		// Else a command that should have been refused, and serves instead, would do so till the end.
		Deadline: time.Now().Add(scriptsTimeout),
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"up":          up,
			"node-up":     nodeUp,
			"down":        down,
			"kill-up":     killUp,
			"start":       start,
			"says":        says,
			"end":         end,
			"nats-server": natsServer(t),
			"deploy":      deploy,
			"eventually":  eventually,
			"exits":       exits,
			"sentence":    sentence,
			"capture":     capture,
			"gone":        gone,
			"agents-gone": agentsGone,
			"images":      images,
			"debian":      debian,
		},
		Condition:           condition,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

const scriptsTimeout = 8 * time.Minute

// setup gives a script a home of its own and the programs. What the user of the tests has in the
// environment does not count.
func setup(env *testscript.Env) error {
	home := filepath.Join(env.WorkDir, "home")
	env.Setenv("PATH", binDir+string(os.PathListSeparator)+os.Getenv("PATH"))
	env.Setenv("BIN", binDir)
	env.Setenv("HOME", home)
	env.Setenv("XDG_CONFIG_HOME", filepath.Join(home, ".config")) // without it contexts are those of whoever runs the tests
	env.Setenv("NO_COLOR", "1")
	for _, variable := range nextest.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		env.Setenv(name, value)
	}
	env.Values[runningKey] = &running{started: map[string]*nextest.Process{}}
	return os.MkdirAll(home, 0o700)
}
