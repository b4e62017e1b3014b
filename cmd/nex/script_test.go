package main_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/nex-engine/nex/internal/nextest"
)

var binDir string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
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
	for _, build := range []func(string) error{nextest.Build, nextest.BuildNATS} {
		if err := build(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

// TestScripts runs testdata/script/*.txtar: sessions of a user with the real programs. Besides the
// commands of testscript there are
//
//	up [flags]        start nex up --json without sandbox on a free port, and set NATS_URL,
//	                  NODE_ID, CONTROL_URL, CONTROL_NKEY and UP_PID
//	down              stop it, and fail if it does not end with status 0
//	kill-up           end it as kill -9 does
//	eventually CMD…   run a command until it succeeds, for 10 s at most
//	gone PATTERN      wait until no process has PATTERN in its command line, for 10 s at most
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   filepath.Join("testdata", "script"),
		Setup: setup,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"up":         up,
			"down":       down,
			"kill-up":    killUp,
			"eventually": eventually,
			"gone":       gone,
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

func setup(env *testscript.Env) error {
	home := filepath.Join(env.WorkDir, "home")
	env.Setenv("PATH", binDir+string(os.PathListSeparator)+os.Getenv("PATH"))
	env.Setenv("BIN", binDir)
	env.Setenv("HOME", home)
	env.Setenv("NO_COLOR", "1")
	env.Values[runningKey] = &runningUp{}
	return os.MkdirAll(home, 0o700)
}

// runningUp is the nex up of one script.
type runningUp struct{ process *nextest.Process }

const runningKey = "running"

func running(ts *testscript.TestScript) *runningUp { return ts.Value(runningKey).(*runningUp) }

func mustRun(ts *testscript.TestScript) *nextest.Process {
	p := running(ts).process
	if p == nil {
		ts.Fatalf("nex up does not run")
	}
	return p
}

func up(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("use: ! exec nex up")
	}
	cmd := exec.Command(filepath.Join(binDir, "nex"), append([]string{"up", "--json", "--no-sandbox", "--port", "0"}, args...)...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"HOME", "PATH", "NEX_DATA_DIR", "NEX_HOME", "TMPDIR"} {
		if value := ts.Getenv(name); value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	p, err := nextest.StartReady(cmd)
	ts.Check(err)
	ts.Defer(p.Kill)
	running(ts).process = p
	ts.Setenv("NATS_URL", p.Ready.NATSURL)
	ts.Setenv("CONTROL_URL", p.Ready.ControlURL)
	ts.Setenv("CONTROL_NKEY", p.Ready.ControlNKey)
	ts.Setenv("NODE_ID", p.Ready.NodeID)
	ts.Setenv("UP_PID", fmt.Sprint(p.PID()))
}

func down(ts *testscript.TestScript, _ bool, _ []string) {
	p := mustRun(ts)
	if err := p.Stop(); err != nil {
		ts.Fatalf("nex up: %v\n%s", err, p.Log())
	}
}

func killUp(ts *testscript.TestScript, _ bool, _ []string) { mustRun(ts).Kill() }

// patience bounds what happens soon, on a slow machine with the race detector.
const patience = 10 * time.Second

// until calls try, less and less often, until it is true.
func until(ts *testscript.TestScript, what string, try func() bool) {
	deadline := time.Now().Add(patience)
	for wait := 5 * time.Millisecond; !try(); wait = min(2*wait, 200*time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("not within %s: %s", patience, what)
		}
		time.Sleep(wait)
	}
}

func eventually(ts *testscript.TestScript, neg bool, args []string) {
	until(ts, strings.Join(args, " "), func() bool { return (ts.Exec(args[0], args[1:]...) == nil) != neg })
}

func gone(ts *testscript.TestScript, _ bool, args []string) {
	until(ts, "gone "+args[0], func() bool {
		entries, err := filepath.Glob("/proc/[0-9]*/cmdline")
		ts.Check(err)
		for _, e := range entries {
			line, err := os.ReadFile(e)
			if err == nil && strings.Contains(string(line), args[0]) {
				return false
			}
		}
		return true
	})
}
