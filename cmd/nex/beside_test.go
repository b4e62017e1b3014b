package main_test

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/nex-engine/nex/internal/natsconn/conntest"
	"github.com/nex-engine/nex/internal/natstest"
	"github.com/nex-engine/nex/internal/nextest"
)

// running is what runs beside one script.
type running struct {
	node    *nextest.Process
	started map[string]*nextest.Process
}

const runningKey = "running"

func beside(ts *testscript.TestScript) *running { return ts.Value(runningKey).(*running) }

// command makes a command of nex with the script's environment and folder.
func command(ts *testscript.TestScript, name string, args ...string) *exec.Cmd {
	path := name
	if !filepath.IsAbs(name) {
		path = filepath.Join(binDir, name)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(nextest.Environ(), "NO_COLOR=1")
	for _, name := range []string{"HOME", "XDG_CONFIG_HOME", "PATH", "NATS_URL", "NATS_NKEY", "NEX_DATA_DIR", "NEX_HOME", "TMPDIR", "DOCKER_CONFIG"} {
		if value := ts.Getenv(name); value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	return cmd
}

// launched registers a process, which the end of the script stops if it still runs then: a node that was killed
// would leave its workloads.
func launched(ts *testscript.TestScript, p *nextest.Process, err error) *nextest.Process {
	ts.Check(err)
	ts.Defer(func() {
		_ = p.Stop() // it says so if it does not end
		ts.Logf("[beside the script, process %d]\n%s", p.PID(), p.Log())
	})
	return p
}

func up(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("use: ! exec nex up")
	}
	flags := []string{"up", "--json", "--port", "0"}
	if sandbox := ts.Getenv("SANDBOX_FLAG"); sandbox != "" {
		flags = append(flags, sandbox)
	}
	launch(ts, append(flags, args...))
}

func nodeUp(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("use: ! exec nex node up")
	}
	flags := []string{"node", "up", "--json"}
	if sandbox := ts.Getenv("SANDBOX_FLAG"); sandbox != "" {
		flags = append(flags, sandbox)
	}
	launch(ts, append(flags, args...))
}

func launch(ts *testscript.TestScript, args []string) {
	p, err := nextest.StartReady(command(ts, "nex", args...))
	if err == nil {
		ts.Defer(func() { removeGroups(ts, p.Ready.NodeID) }) // after it was killed
	}
	beside(ts).node = launched(ts, p, err)
	ts.Setenv("NATS_URL", p.Ready.NATSURL)
	ts.Setenv("CONTROL_URL", p.Ready.ControlURL)
	ts.Setenv("CONTROL_NKEY", p.Ready.ControlNKey)
	ts.Setenv("NODE_ID", p.Ready.NodeID)
	ts.Setenv("DATA_DIR", p.Ready.DataDir)
	ts.Setenv("UP_PID", fmt.Sprint(p.PID()))
}

// removeGroups removes the control groups of a node that has ended and does not start again, once the agents
// that it has left are gone. A node that ended in order has none.
func removeGroups(ts *testscript.TestScript, nodeID string) {
	sum := sha256.Sum256([]byte(nodeID))
	own := "nex-" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:6])
	until(ts, "the control groups "+own+" are gone", func() bool {
		var groups []string // outer ones first
		_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() && strings.Contains(path+"/", "/"+own+"/") {
				groups = append(groups, path)
			}
			return nil // what cannot be looked into is not ours, or gone
		})
		for _, path := range slices.Backward(groups) {
			_ = os.Remove(path) // not while a process is in it
		}
		return len(groups) == 0
	})
}

func node(ts *testscript.TestScript) *nextest.Process {
	p := beside(ts).node
	if p == nil {
		ts.Fatalf("no node runs: use up, or node-up")
	}
	return p
}

func down(ts *testscript.TestScript, _ bool, _ []string) {
	if err := node(ts).Stop(); err != nil {
		ts.Fatalf("the node ended: %v", err)
	}
}

func killUp(ts *testscript.TestScript, _ bool, _ []string) { node(ts).Kill() }

func start(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: start NAME CMD…")
	}
	p, err := nextest.Start(command(ts, args[1], args[2:]...))
	beside(ts).started[args[0]] = launched(ts, p, err)
}

func started(ts *testscript.TestScript, name string) *nextest.Process {
	p := beside(ts).started[name]
	if p == nil {
		ts.Fatalf("%s was not started", name)
	}
	return p
}

func says(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: says NAME REGEXP")
	}
	p, re := started(ts, args[0]), pattern(ts, args[1])
	printed := func() string { return p.Output() + p.Log() }
	if neg {
		if re.MatchString(printed()) {
			ts.Fatalf("%s has said %s:\n%s", args[0], args[1], printed())
		}
		return
	}
	if !nextest.Poll(func() bool { return re.MatchString(printed()) }) {
		ts.Fatalf("%s has not said %s, but:\n%s", args[0], args[1], printed())
	}
}

func pattern(ts *testscript.TestScript, text string) *regexp.Regexp {
	re, err := regexp.Compile("(?m)" + text)
	ts.Check(err)
	return re
}

func end(ts *testscript.TestScript, _ bool, args []string) {
	if err := started(ts, args[0]).Stop(); err != nil {
		ts.Fatalf("%s: %v", args[0], err)
	}
}

// natsServer makes the command that starts a NATS server in this process, which lives as long as all
// scripts do.
func natsServer(t *testing.T) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, args []string) {
		if len(args) != 1 {
			ts.Fatalf("usage: nats-server FILE|-operator")
		}
		file := ts.MkAbs(args[0])
		if args[0] == "-operator" {
			file = operatorFile(t, ts)
		}
		options, err := server.ProcessConfigFile(file)
		ts.Check(err)
		s := natstest.Run(t, func(o *server.Options) {
			options.Host, options.Port, options.StoreDir, options.NoSigs, options.NoLog = o.Host, o.Port, o.StoreDir, true, true
			*o = *options
		})
		ts.Setenv("SERVER_URL", s.ClientURL())
	}
}

// operatorFile writes the configuration of a server whose clients need the credentials in
// SERVER_CREDS.
func operatorFile(t *testing.T, ts *testscript.TestScript) string {
	operator := conntest.NewOperator(t)
	ts.Setenv("SERVER_CREDS", operator.Creds(t))
	file := ts.MkAbs("operator.conf")
	ts.Check(os.WriteFile(file, fmt.Appendf(nil, `
operator: %s
system_account: %s
resolver: MEMORY
resolver_preload: { %[2]s: %[3]s, %[4]s: %[5]s }
jetstream: enabled
`, operator.JWT, operator.SystemID, operator.SystemJWT, operator.AccountID, operator.AccountJWT), 0o600))
	return file
}
