package cgroup_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/cgroup"
	"github.com/nex-engine/nex/internal/sandbox"
)

// members counts the lines of files like /proc/self/cgroup that name a group.
func members(text string, g *cgroup.Group) (n int) {
	path := filepath.Base(filepath.Dir(g.Dirs()[0])) + "/" + filepath.Base(g.Dirs()[0])
	for line := range strings.Lines(text) {
		if strings.HasSuffix(strings.TrimSpace(line), "/"+path) {
			n++
		}
	}
	return n
}

// A program says where it is, and where a child is that it forks first of all: every one of them in the
// group, in each of its hierarchies.
func TestStartIsInside(t *testing.T) {
	eachKind(t, func(t *testing.T, m *cgroup.Manager) {
		g := create(t, m, "inside", sandbox.Limits{})
		for range 20 {
			p := start(t, g, shell(`cat /proc/self/cgroup & read line </proc/self/cgroup; echo; cat /proc/$$/cgroup; wait; echo end`))
			var all strings.Builder
			for l := p.line(t); l != "end"; l = p.line(t) {
				all.WriteString(l + "\n")
			}
			if got, want := members(all.String(), g), 2*len(g.Dirs()); got != want {
				t.Fatalf("%d memberships, want %d:\n%s", got, want, all.String())
			}
			if s := p.end(t); s != 0 {
				t.Errorf("the program ended with %v", s)
			}
		}
	})
}

// No thread of ours stays in a group: neither after a start nor after one that failed.
func TestStartLeavesNobodyBehind(t *testing.T) {
	eachKind(t, func(t *testing.T, m *cgroup.Manager) {
		g := create(t, m, "threads", sandbox.Limits{})
		for range 5 {
			p := start(t, g, shell(`exit 0`))
			p.end(t)
			if err := g.Start(exec.Command("/nowhere/at/all")); !errors.Is(err, os.ErrNotExist) {
				t.Fatalf("Start of nothing = %v, want %v", err, os.ErrNotExist)
			}
		}
		files, err := filepath.Glob("/proc/self/task/*/cgroup")
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err == nil && members(string(b), g) > 0 {
				t.Errorf("a thread of this process is in the group:\n%s", b)
			}
		}
		// The kernel would not remove it either.
		if err := g.Remove(bounded(t)); err != nil {
			t.Error(err)
		}
	})
}

// Before the node, the kernel kills what is in groups, whether there are any or not.
func TestStartIsFirstToGo(t *testing.T) {
	t.Parallel()
	own, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		t.Fatal(err)
	}
	node, err := strconv.Atoi(strings.TrimSpace(string(own)))
	if err != nil {
		t.Fatal(err)
	}
	m, _ := manager(t, "")
	for name, m := range map[string]*cgroup.Manager{"with groups": m, "without": nil} {
		p := start(t, create(t, m, "mortal", sandbox.Limits{}), shell(`read line; cat /proc/self/oom_score_adj`))
		p.in.Close()
		if got, want := p.line(t), strconv.Itoa(min(node+500, 1000)); got != want || strconv.Itoa(cgroup.OOMScoreAdj()) != want {
			t.Errorf("%s: a child has %s, and %d is told, want %s", name, got, cgroup.OOMScoreAdj(), want)
		}
	}
}

func TestStartAfterKill(t *testing.T) {
	eachKind(t, func(t *testing.T, m *cgroup.Manager) {
		g := create(t, m, "dead", sandbox.Limits{})
		if err := g.Kill(bounded(t)); err != nil {
			t.Fatal(err)
		}
		if err := g.Start(shell("true")); err == nil {
			t.Error("a program starts in a group that was killed")
		}
		if err := g.Set(sandbox.Limits{}); err == nil {
			t.Error("a group that was killed gets its forks back")
		}
	})
}

// A group that is at its limits takes nothing from the one who starts there: it is still answered at once,
// and not killed in its place.
func TestStartInFullGroup(t *testing.T) {
	t.Parallel()
	m := limited(t)
	g := create(t, m, "full", sandbox.Limits{CPUs: 0.05, PIDs: 100})
	start(t, g, shell(strings.Repeat("while :; do :; done & ", 4)+"echo; wait")).line(t)
	want := contents(t, g)
	for range 10 {
		start(t, g, shell("echo"))
	}
	if got := contents(t, g); got != want {
		t.Errorf("limits = %s, want %s as before", got, want)
	}
	tiny := create(t, m, "tiny", sandbox.Limits{MemoryBytes: 4096})
	for range 50 {
		cmd := shell("echo")
		if err := tiny.Start(cmd); err == nil {
			if err := cmd.Wait(); err == nil {
				t.Error("a program runs in a page of memory")
			}
		}
	}
}

// BenchmarkStart compares a start with and without a group.
func BenchmarkStart(b *testing.B) {
	run := func(b *testing.B, begin func(*exec.Cmd) error) {
		for b.Loop() {
			cmd := exec.Command("/bin/true")
			if err := begin(cmd); err != nil {
				b.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("plain", func(b *testing.B) { run(b, (*exec.Cmd).Start) })
	m, err := cgroup.Open(cgroup.Config{Prefix: fmt.Sprintf("nex-bench-%d", os.Getpid())})
	if err != nil {
		b.Fatal(err)
	}
	g, err := m.Create("bench", sandbox.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("group", func(b *testing.B) { run(b, g.Start) })
	b.Run("create and remove", func(b *testing.B) {
		for b.Loop() {
			g, err := m.Create("other", sandbox.Limits{MemoryBytes: 64 << 20, CPUs: 1, PIDs: 100})
			if err != nil {
				b.Fatal(err)
			}
			if err := errors.Join(g.Kill(b.Context()), g.Remove(b.Context())); err != nil {
				b.Fatal(err)
			}
		}
	})
	if err := errors.Join(g.Remove(b.Context()), m.Close()); err != nil {
		b.Error(err)
	}
}
