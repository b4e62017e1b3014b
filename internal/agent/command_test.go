//go:build linux

package agent_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agent"
)

func TestCommand(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		args   []string
		stdin  string
		status int
		stdout string
		stderr string // a part of it
	}{
		{"version", []string{"--version"}, os.DevNull, 0, nex.Version + "\n", ""},
		{"unknown argument", []string{"--help"}, os.DevNull, 2, "", `unknown argument "--help"`},
		{"on a terminal", nil, "/dev/ptmx", 2, "", "is started by the node"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			stdin, err := os.Open(tt.stdin)
			if err != nil {
				t.Fatal(err)
			}
			defer stdin.Close()
			var stdout, stderr bytes.Buffer
			status := agent.Command(context.Background(), tt.args, stdin, &stdout, &stderr)
			if status != tt.status || stdout.String() != tt.stdout || !strings.Contains(stderr.String(), tt.stderr) {
				t.Errorf("Command = %d, %q, %q, want %d, %q, %q", status, &stdout, &stderr, tt.status, tt.stdout, tt.stderr)
			}
			if tt.stderr == "" && stderr.Len() > 0 || strings.Count(stderr.String(), "\n") > 1 {
				t.Errorf("it says %q", &stderr)
			}
		})
	}
}

// agentProcess runs an agent that gets its bootstrap document from stdin.
func agentProcess(t *testing.T, stdin io.Reader) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{beAgent + "=1", "GORACE=atexit_sleep_ms=0"}
	cmd.Stdin = stdin
	stderr := new(bytes.Buffer)
	cmd.Stderr = stderr
	return cmd, stderr
}

func TestCommandChecksUser(t *testing.T) {
	t.Parallel()
	cmd, stderr := agentProcess(t, strings.NewReader(""))
	cmd.Env = append(cmd.Env, agent.UserVariable+"=nobody")
	err := cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != 2 || !strings.Contains(stderr.String(), agent.UserVariable) {
		t.Errorf("with a malformed user: %v, %q, want status 2 and the variable's name", err, stderr)
	}
}

func TestCommandWithoutBootstrap(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		stdin string
		says  string
	}{
		{"nothing", "", "started by a node"},
		{"no json", "hello", "read bootstrap document"},
		{"no key", strings.Replace(goodBootstrap, `"SU"`, `"none"`, 1), "read agent key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cmd, stderr := agentProcess(t, strings.NewReader(tt.stdin))
			_ = cmd.Run() // the status is looked at below
			if got := cmd.ProcessState.ExitCode(); got != 1 || !strings.Contains(stderr.String(), tt.says) {
				t.Errorf("status %d, %q, want 1 and mention of %q", got, stderr, tt.says)
			}
		})
	}
}

// An agent that still waits for its bootstrap document can be ended.
func TestCommandTerminatedEarly(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	cmd, stderr := agentProcess(t, r)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// Part of a document: once it is gone from the pipe the agent waits for the rest.
	if _, err := w.WriteString("{"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "reading agent", func() bool { return pipeIsEmpty(t, r) })
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 1 {
		t.Errorf("%v, %q, want status 1", cmd.ProcessState, stderr)
	}
}

func pipeIsEmpty(t *testing.T, r *os.File) bool {
	t.Helper()
	var n int
	raw, err := r.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.TIOCINQ) }); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return n == 0
}
