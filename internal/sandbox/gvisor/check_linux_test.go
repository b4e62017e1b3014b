package gvisor_test

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/nex-engine/nex/internal/sandbox/gvisor"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	agent, err := buildAgent()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "state")
	if err := gvisor.Check(t.Context(), gvisor.Config{Runsc: os.Getenv(runscVariable), AgentPath: agent, Dir: dir}); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "check*")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// What does not work is said, with the one thing to do.
func TestCheckFails(t *testing.T) {
	t.Parallel()
	agent, notAgent := sandboxtest.BuildAgent(t), filepath.Join(t.TempDir(), "agent")
	notRunsc, hidden := filepath.Join(t.TempDir(), "runsc"), filepath.Join(t.TempDir(), "runsc")
	for path, mode := range map[string]os.FileMode{notRunsc: 0o755, notAgent: 0o755, hidden: 0o700} {
		if err := os.WriteFile(path, []byte("#!/bin/false\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	good := gvisor.Config{Runsc: os.Getenv(runscVariable), AgentPath: agent, Dir: filepath.Join(t.TempDir(), "state")}
	for _, c := range []struct {
		name string
		ctx  context.Context
		edit func(*gvisor.Config)
		want []string
	}{
		{"no directory", t.Context(), func(c *gvisor.Config) { c.Dir = "" }, []string{"data directory"}},
		{"no runsc", t.Context(), func(c *gvisor.Config) { c.Runsc = "" }, []string{"runsc", "bin_path"}},
		{"runsc is missing", t.Context(), func(c *gvisor.Config) { c.Runsc += "x" }, []string{good.Runsc + "x", "bin_path"}},
		{"runsc is for its owner alone", t.Context(), func(c *gvisor.Config) { c.Runsc = hidden }, []string{hidden, "chmod a+rx"}},
		{"runsc is another program", t.Context(), func(c *gvisor.Config) { c.Runsc = notRunsc }, []string{"gVisor does not work here"}},
		{"no agent", t.Context(), func(c *gvisor.Config) { c.AgentPath = "" }, []string{"agent", "bin_path"}},
		{"agent is a directory", t.Context(), func(c *gvisor.Config) { c.AgentPath = filepath.Dir(agent) }, []string{filepath.Dir(agent), "bin_path"}},
		{"agent fails", t.Context(), func(c *gvisor.Config) { c.AgentPath = notAgent }, []string{"gVisor does not work here", notAgent}},
		{"cancelled", cancelled, func(*gvisor.Config) {}, []string{context.Canceled.Error()}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			config := good
			c.edit(&config)
			err := gvisor.Check(c.ctx, config)
			if err == nil {
				t.Fatal("Check succeeds")
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error = %q, want %q in it", err, part)
				}
			}
			if _, err := gvisor.New(config); (err == nil) != (strings.Contains(c.want[0], "gVisor") || c.name == "cancelled") {
				t.Errorf("New = %v", err)
			}
		})
	}
}

// nobodyElse is a user without any rights of its own.
const nobodyElse = 61234

// Functions run in sandboxes of a node that is not root, too.
func TestRootless(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return // the other tests are it
	}
	agent, err := buildAgent()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "nex-rootless-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for name, from := range map[string]string{
		"runsc": os.Getenv(runscVariable), "nex-agent": agent, "suite-agent": suiteAgent(t), "test": "/proc/self/exe",
	} {
		if err := copyProgram(from, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	temp := filepath.Join(dir, "tmp")
	if err := errors.Join(os.Chmod(dir, 0o755), os.Mkdir(temp, 0o700), os.Chown(temp, nobodyElse, nobodyElse)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "test"), "-test.v", "-test.run=^(TestFunction|TestCheck|TestSandboxGoesBeforeTheNode|TestEndsWithoutNode)$")
	cmd.Dir = temp
	cmd.Env = []string{runscVariable + "=" + filepath.Join(dir, "runsc"), "TMPDIR=" + temp, "GORACE=atexit_sleep_ms=0"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobodyElse, Gid: nobodyElse}}
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Count(string(out), "--- PASS") != 4 {
		t.Errorf("as an ordinary user: %v\n%s", err, out)
	}
}

func copyProgram(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close(), os.Chmod(to, 0o755))
}
