package cgroup_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/cgroup"
	"github.com/nex-engine/nex/internal/sandbox"
)

// patience is how long anything may take on a machine that is busy.
const patience = 60 * time.Second

// With this variable the test binary plays the program that it names.
const playVariable = "NEX_CGROUP_TEST"

func TestMain(m *testing.M) {
	switch os.Getenv(playVariable) {
	case "":
		os.Exit(m.Run())
	case "unprivileged":
		unprivileged()
	case "hold":
		hold()
	case "bomb":
		bomb()
	}
}

// play is a command that runs this test binary as another program.
func play(name string, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), playVariable+"="+name)
	return cmd
}

// hold takes memory, of as many MiB as it is told, says so, and goes when its input ends.
func hold() {
	n, _ := strconv.Atoi(os.Args[1])
	_, err := unix.Mmap(-1, 0, n<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_POPULATE)
	fmt.Println("holds", err)
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// bomb is processes that fork for ever, and take sessions of their own, also when they are refused it.
func bomb() {
	for {
		pid, _, _ := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
		if pid == 0 {
			_, _, _ = unix.RawSyscall(unix.SYS_SETSID, 0, 0, 0)
		}
	}
}

// kinds are the hierarchies of this machine, alone and together, as far as they are mounted here: each
// is a way in which the same things must hold.
var kinds = []struct{ name, drop string }{
	{"all", ""},
	{"version 1", " - cgroup2 "},
	{"version 2", " - cgroup "},
}

// eachKind runs a test for every way to have groups. Without the rights for one there is none to test.
func eachKind(t *testing.T, test func(t *testing.T, m *cgroup.Manager)) {
	t.Parallel()
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			m, _ := manager(t, k.drop)
			if len(m.Parents()) == 0 {
				none(t, m)
				return
			}
			test(t, m)
		})
	}
}

// none ends a test that needs groups where there can be none. To root that happens only for a version
// that is not mounted.
func none(t *testing.T, m *cgroup.Manager) {
	t.Helper()
	missing := m.Limits().Missing
	if missing == "" {
		t.Error("there are no groups, and no reason is told")
	}
	if os.Geteuid() != 0 {
		t.Skip("control groups cannot be made here, which needs root: " + missing)
	}
	if !strings.Contains(missing, "none is mounted") {
		t.Errorf("root cannot make groups: %s", missing)
	}
}

// limited is a Manager that enforces memory, processors and processes.
func limited(t *testing.T) *cgroup.Manager {
	t.Helper()
	m, _ := manager(t, "")
	if l := m.Limits(); !l.Memory || !l.CPUs || !l.PIDs {
		if os.Geteuid() != 0 {
			t.Skip("control groups cannot be made here, which needs root: " + l.Missing)
		}
		t.Fatalf("limits = %+v, want memory, processors and processes", l)
	}
	return m
}

// manager opens a Manager that does not see mounts with drop in their line. When the test ends nothing
// of it may be left.
func manager(t *testing.T, drop string) (_ *cgroup.Manager, prefix string) {
	t.Helper()
	prefix = fmt.Sprintf("nex-test-%d-%d", os.Getpid(), time.Now().UnixNano())
	return reopen(t, prefix, drop), prefix
}

func reopen(t *testing.T, prefix, drop string) *cgroup.Manager {
	t.Helper()
	var log syncBuffer // of what could not be done, which must be nothing
	logger := slog.New(slog.NewTextHandler(&log, nil))
	m, err := cgroup.OpenWith(cgroup.Config{Prefix: prefix, Logger: logger}, cgroup.Files{Proc: without(t, drop)})
	if err != nil {
		t.Fatal(err)
	}
	parents := m.Parents()
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		for _, p := range parents {
			if _, err := os.Stat(p); !os.IsNotExist(err) {
				t.Errorf("%s is left", p)
			}
		}
		if text := log.String(); text != "" {
			t.Errorf("log: %s", text)
		}
	})
	return m
}

type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// without makes a directory like /proc/self of which some mounts are left out.
func without(t *testing.T, drop string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"mountinfo", "cgroup"} {
		b, err := os.ReadFile(filepath.Join("/proc/self", name))
		if err != nil {
			t.Fatal(err)
		}
		var kept strings.Builder
		for line := range strings.Lines(string(b)) {
			if drop == "" || !strings.Contains(line, drop) {
				kept.WriteString(line)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(kept.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// create makes a group that the test kills and removes when it ends.
func create(t *testing.T, m *cgroup.Manager, id string, l sandbox.Limits) *cgroup.Group {
	t.Helper()
	g, err := m.Create(id, l)
	if err != nil {
		t.Fatalf("Create: %v", err)
	}
	dirs := g.Dirs()
	t.Cleanup(func() {
		end(t, g)
		for _, d := range dirs {
			if _, err := os.Stat(d); !os.IsNotExist(err) {
				t.Errorf("%s is left", d)
			}
		}
	})
	return g
}

func end(t *testing.T, g *cgroup.Group) {
	t.Helper()
	if err := g.Kill(bounded(t)); err != nil {
		t.Errorf("Kill: %v", err)
	}
	if err := g.Remove(bounded(t)); err != nil {
		t.Errorf("Remove: %v", err)
	}
}

func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// program is a command that was started in a group, and what it prints.
type program struct {
	*exec.Cmd
	in    io.WriteCloser
	lines *bufio.Scanner
}

// start starts a command in a group. It is waited for when the test ends.
func start(t *testing.T, g *cgroup.Group, cmd *exec.Cmd) program {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Start(cmd); err != nil {
		t.Fatalf("Start: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return program{cmd, in, bufio.NewScanner(out)}
}

func shell(script string) *exec.Cmd { return exec.Command("sh", "-c", script) }

// line is the next line that the program prints.
func (p program) line(t *testing.T) string {
	t.Helper()
	if !p.lines.Scan() {
		t.Fatalf("the program prints no more: %v", p.lines.Err())
	}
	return p.lines.Text()
}

// end waits for the program and says which signal ended it, 0 if none did.
func (p program) end(t *testing.T) syscall.Signal {
	t.Helper()
	var exit *exec.ExitError
	if err := p.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if s := p.ProcessState.Sys().(syscall.WaitStatus); s.Signaled() {
		return s.Signal()
	}
	return 0
}
