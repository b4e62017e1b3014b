package node_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/natstest"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/node"
)

func TestPoolSizes(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 5} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			t.Parallel()
			r := start(t, func(s *setup) { s.MachinePoolSize = size })
			r.clean() // waits for as many
			d := r.testprog("prog", "wait")
			id := r.deploy(d)
			nextest.Await(t, "the pool is full again", func() bool { return r.info().AvailableAgents == size && len(r.agents()) == size+1 })
			r.undeploy(d, id)
			r.unharmed()
		})
	}
}

func TestIdleAgentThatDiesIsReplaced(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.clean()
	before := r.agents()[0]
	r.kill(before.pid)
	nextest.Await(t, "another agent is idle", func() bool {
		agents := r.agents()
		return len(agents) == 1 && agents[0].id != before.id && r.info().AvailableAgents == 1
	})
	r.unharmed()
}

// TestAgentThatDiesTakesItsProgramAlong shows that a service is not doubled by its restart.
func TestAgentThatDiesTakesItsProgramAlong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mode  string
		token string
		runs  int // processes of it
	}{
		{"wait", unique("service-of-a-dying-agent"), 1},
		{"stubborn", unique("stubborn-of-a-dying-agent"), 1},
		{"daemons", unique("daemons-of-a-dying-agent"), 3},
	} {
		t.Run(c.mode, func(t *testing.T) {
			t.Parallel()
			r := start(t)
			d := r.testprog("prog", c.mode, c.token)
			d.Essential = true
			id := r.deploy(d)
			r.awaitLine(id, "ready")
			old := r.awaitProcesses(c.token, c.runs)
			r.kill(r.busyAgent().pid)
			m := r.await(id, "it was restarted", func(m nex.MachineInfo) bool { return m.Restarts == 1 && m.State == nex.StateRunning })
			if !m.Healthy {
				t.Errorf("workload = %+v, want it healthy", m)
			}
			running := r.awaitProcesses(c.token, c.runs)
			if slices.ContainsFunc(running, func(pid int) bool { return slices.Contains(old, pid) }) {
				t.Errorf("processes %v run after the restart, want none of %v", running, old)
			}
			r.stopNow(d, id)
			r.unharmed()
		})
	}
}

func TestAgentThatDiesUnderAnOrdinaryProgram(t *testing.T) {
	t.Parallel()
	r := start(t)
	token := unique("ordinary-of-a-dying-agent")
	id := r.deploy(r.testprog("prog", "wait", token))
	r.awaitLine(id, "ready")
	r.kill(r.busyAgent().pid)
	m := r.awaitState(id, nex.StateFailed)
	if !strings.Contains(m.Reason, "the agent was ended by SIGKILL, and the program with it") {
		t.Errorf("reason = %q", m.Reason)
	}
	if left := r.processes(token); len(left) > 0 {
		t.Errorf("processes %v run although their agent is dead", left)
	}
	r.unharmed()
}

// TestAgentsThatDoNotStart shows that a node which cannot run anything says so instead of running.
func TestAgentsThatDoNotStart(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("the agent of this test is a script")
	}
	for _, c := range []struct {
		name   string
		script string
		ms     int // that the agent may take
		text   string
	}{
		{"silent", "exec sleep 1000", 300, "the agent did not shake hands within 300ms"},
		{"ending", "exit 7", 60_000, "the agent ended with status 7 before its handshake"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			bin := t.TempDir()
			if err := os.WriteFile(filepath.Join(bin, "nex-agent"), []byte("#!/bin/sh\n"+c.script+"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			err := runInVain(t, bin, c.ms)
			if err == nil || !strings.Contains(err.Error(), c.text) {
				t.Errorf("Run = %v, want %q", err, c.text)
			}
		})
	}
	t.Run("missing", func(t *testing.T) {
		t.Parallel()
		bin := t.TempDir()
		if err := runInVain(t, bin, 300); err == nil || !strings.Contains(err.Error(), "nex-agent was not found in "+bin) {
			t.Errorf("Run = %v, want it to say where it has looked", err)
		}
	})
}

// runInVain runs a node that cannot start, checks that nothing of it is left, and returns its error.
func runInVain(t *testing.T, bin string, handshakeMs int) error {
	t.Helper()
	s := settings()
	s.BinPath, s.AgentHandshakeTimeoutMs = []string{bin}, handshakeMs
	dir := t.TempDir()
	err := node.Run(t.Context(), node.Config{
		Settings: s, DataDir: dir, Control: natstest.Connect(t, natstest.Run(t)), Logger: slog.New(slog.DiscardHandler),
		Ready: func(node.Facts) { t.Error("the node says that it is ready") },
	})
	if errors.Is(err, context.Canceled) {
		t.Error("Run returned because the test has ended")
	}
	left, globErr := filepath.Glob(filepath.Join(dir, "sandbox", "process", "*"))
	if globErr != nil || len(left) > 0 {
		t.Errorf("sandboxes left: %q, %v", left, globErr)
	}
	return err
}
