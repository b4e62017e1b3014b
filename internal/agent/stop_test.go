//go:build linux

package agent_test

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/proctree"
)

func TestExit(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		script string
		want   nex.Exit
	}{
		{"success", `exit 0`, nex.Exit{}},
		{"failure", `exit 3`, nex.Exit{Code: 3}},
		{"large status", `exit 255`, nex.Exit{Code: 255}},
		{"killed by somebody", `kill -KILL $$`, nex.Exit{Code: -1, Signal: "SIGKILL"}},
		{"terminated by itself", `kill -TERM $$`, nex.Exit{Code: -1, Signal: "SIGTERM"}},
		{"crash", `kill -SEGV $$`, nex.Exit{Code: -1, Signal: "SIGSEGV"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := startAgent(t)
			n.run(`echo last words; ` + tt.script)
			if got := n.awaitExit(); got != tt.want {
				t.Errorf("exit = %+v, want %+v", got, tt.want)
			}
			if got := n.lines(nex.StreamStdout); len(got) != 1 {
				t.Errorf("log at the time of the exit = %q, want it complete", got)
			}
		})
	}
}

func TestUndeploy(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		script string
		grace  time.Duration
		want   nex.Exit
	}{
		{"dies of SIGTERM", `echo ready; exec sleep 1000`, patience, nex.Exit{Code: -1, Signal: "SIGTERM"}},
		{"ends in good order", `trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.01; done`, patience, nex.Exit{Code: 7}},
		{"ignores SIGTERM", `trap '' TERM; echo ready; while :; do sleep 0.01; done`, 100 * time.Millisecond, nex.Exit{Code: -1, Signal: "SIGKILL"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := startAgent(t)
			n.run(tt.script)
			n.awaitLine("ready")
			start := time.Now()
			if got := n.undeploy(tt.grace); got != tt.want {
				t.Errorf("undeploy = %+v, want %+v", got, tt.want)
			}
			if d := time.Since(start); tt.grace == patience && d > patience/2 {
				t.Errorf("undeploy took %v although the program ended at once", d)
			} else if tt.want.Signal == "SIGKILL" && d < tt.grace {
				t.Errorf("undeploy took %v, less than the grace period of %v", d, tt.grace)
			}
			if got := n.awaitExit(); got != tt.want {
				t.Errorf("exit = %+v, want %+v", got, tt.want)
			}
		})
	}
}

// daemon leaves its parent, its group and its session, ignores SIGTERM, and says who it is.
const daemon = `setsid sh -c 'trap "" TERM HUP; echo "daemon $$"; while :; do sleep 1000; done' & `

// awaitDaemon returns the process that the daemon script has started.
func (n *node) awaitDaemon() proctree.Identity {
	n.t.Helper()
	pid, err := strconv.Atoi(n.awaitLine("daemon "))
	if err != nil {
		n.t.Fatal(err)
	}
	id, err := proctree.Identify(pid)
	if err != nil {
		n.t.Fatalf("daemon %d: %v", pid, err)
	}
	return id
}

func TestUndeployEndsDaemons(t *testing.T) {
	t.Parallel()
	n := startAgent(t)
	n.run(`(` + daemon + `) ; exec sleep 1000`)
	id := n.awaitDaemon()
	if got := n.undeploy(patience); got.Signal != "SIGTERM" {
		t.Errorf("undeploy = %+v, want SIGTERM", got)
	}
	if id.Running() {
		t.Errorf("process %d runs after undeploy", id.PID)
	}
	n.awaitExit()
}

func TestExitEndsDaemons(t *testing.T) {
	t.Parallel()
	n := startAgent(t)
	goOn := n.dir + "/go-on"
	if err := syscall.Mkfifo(goOn, 0o600); err != nil {
		t.Fatal(err)
	}
	n.run(`(` + daemon + `) ; cat go-on; exit 5`)
	id := n.awaitDaemon()
	writeFile(t, goOn)
	n.await("exit", func() bool { return len(n.exits) > 0 })
	if id.Running() {
		t.Errorf("process %d runs after the exit", id.PID)
	}
	if got := n.awaitExit(); got != (nex.Exit{Code: 5}) {
		t.Errorf("exit = %+v, want code 5", got)
	}
}

// Many may ask at once, and ask again; the most impatient is heard.
func TestUndeployManyTimes(t *testing.T) {
	t.Parallel()
	n := startAgent(t)
	n.run(`trap '' TERM; echo ready; while :; do sleep 0.01; done`)
	n.awaitLine("ready")
	var asking sync.WaitGroup
	for _, grace := range []time.Duration{2 * patience, 200 * time.Millisecond, 3 * patience} {
		asking.Go(func() {
			if got := n.undeploy(grace); got.Signal != "SIGKILL" {
				t.Errorf("undeploy = %+v, want SIGKILL", got)
			}
		})
	}
	asking.Wait()
	n.awaitExit()
}

func TestUndeployBeforeDeploy(t *testing.T) {
	t.Parallel()
	n := startAgent(t)
	if got := n.undeploy(patience); !got.Success() {
		t.Errorf("undeploy = %+v, want success", got)
	}
	n.awaitEnd(0)
}

// An agent whose node does not come back in time ends its workload, daemons and all.
func TestOrphaned(t *testing.T) {
	t.Parallel()
	n := startAgent(t, func(n *node, _ *exec.Cmd) { n.orphanTimeout = 100 * time.Millisecond })
	n.run(`(` + daemon + `) ; exec sleep 1000`)
	id := n.awaitDaemon()
	n.server.Shutdown()
	n.awaitEnd(1)
	if id.Running() {
		t.Errorf("process %d runs without an agent", id.PID)
	}
	if !strings.Contains(n.stderr.String(), "the node has not come back within the orphan timeout") {
		t.Errorf("the agent said %q", n.stderr)
	}
}

// Without a workload there is nothing to come back with: the agent ends at once.
func TestLinkLostWithoutWorkload(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(*node){
		"before the Deploy": func(*node) {},
		"after one that has failed": func(n *node) {
			d := n.workload("/bin/sh")
			d.Digest = "0"
			if r := n.deploy(d); r.Error == "" {
				n.t.Errorf("the workload was started")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := startAgent(t)
			if _, err := n.nc.Request(agentlink.PingSubject(n.id), nil, patience); err != nil {
				t.Fatal(err)
			}
			before(n)
			n.server.Shutdown()
			n.awaitEnd(1)
			if !strings.Contains(n.stderr.String(), "link to the node is lost") {
				t.Errorf("the agent said %q", n.stderr)
			}
		})
	}
}

func TestAgentTerminated(t *testing.T) {
	t.Parallel()
	n := startAgent(t)
	n.run(`(` + daemon + `) ; exec sleep 1000`)
	id := n.awaitDaemon()
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	n.awaitEnd(1)
	if id.Running() {
		t.Errorf("process %d runs without an agent", id.PID)
	}
	if len(n.exits) != 1 || n.exits[0].Signal != "SIGKILL" || n.exits[0].OOM {
		t.Errorf("exits = %+v, want one by SIGKILL", n.exits)
	}
}

// A killed agent can do nothing more, but the program dies with it.
func TestAgentKilled(t *testing.T) {
	t.Parallel()
	n := startAgent(t)
	n.run(`echo "program $$"; exec sleep 1000`)
	pid, err := strconv.Atoi(n.awaitLine("program "))
	if err != nil {
		t.Fatal(err)
	}
	id, err := proctree.Identify(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-n.ended
	eventually(t, "end of the program", func() bool { return !id.Running() })
}

// writeFile lets a workload go on that reads from a named pipe.
func writeFile(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
