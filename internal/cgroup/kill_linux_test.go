package cgroup_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/cgroup"
	"github.com/nex-engine/nex/internal/sandbox"
)

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// Processes that left parent, session and environment, that ignore every signal that can be ignored, and
// that made a group of their own in the group.
const leavers = `
(setsid env -i sh -c 'trap "" TERM HUP INT; sleep 300 & wait' &)
(setsid env -i sleep 300 &)
sh -c 'kill -STOP $$' &
for d in %s; do mkdir $d/own $d/own/deep; (echo 0 >$d/own/deep/cgroup.procs; exec sleep 300) & done
while [ $(cat %s/own/deep/cgroup.procs | wc -l) = 0 ]; do :; done
echo`

func TestKillLeavesNobody(t *testing.T) {
	eachKind(t, func(t *testing.T, m *cgroup.Manager) {
		g := create(t, m, "leavers", sandbox.Limits{})
		other := start(t, create(t, m, "other", sandbox.Limits{}), shell(`echo; read line`))
		other.line(t)
		dirs := ""
		for _, d := range g.Dirs() {
			dirs += d + " "
		}
		p := start(t, g, shell(fmt.Sprintf(leavers, dirs, g.Dirs()[0])))
		p.line(t)
		if err := g.Kill(bounded(t)); err != nil {
			t.Fatal(err)
		}
		for _, d := range append(g.Dirs(), filepath.Join(g.Dirs()[0], "own/deep")) {
			if b, err := os.ReadFile(filepath.Join(d, "cgroup.procs")); err != nil || len(b) > 0 {
				t.Errorf("left in %s: %q, %v", d, b, err)
			}
		}
		for range 2 {
			if err := errors.Join(g.Kill(bounded(t)), g.Remove(bounded(t))); err != nil {
				t.Errorf("again: %v", err)
			}
		}
		other.in.Close()
		if s := other.end(t); s != 0 {
			t.Errorf("another group's program ends with %v", s)
		}
	})
}

func TestKillOfBomb(t *testing.T) {
	eachKind(t, func(t *testing.T, m *cgroup.Manager) {
		l := sandbox.Limits{}
		if m.Limits().PIDs {
			l.PIDs = 100
		}
		g := create(t, m, "bomb", l)
		start(t, g, shell(`b='while :; do setsid env -i sleep 5 & sleep 0.02; done 2>/dev/null'; for i in 1 2 3; do sh -c "$b" & done; wait`))
		awaitFull(t, g, 50)
		if err := g.Kill(bounded(t)); err != nil {
			t.Fatal(err)
		}
		if n := population(t, g); n != 0 {
			t.Errorf("%d processes are left", n)
		}
	})
}

func TestKillWithoutTime(t *testing.T) {
	eachKind(t, func(t *testing.T, m *cgroup.Manager) {
		g := create(t, m, "late", sandbox.Limits{})
		p := start(t, g, shell(`trap "" TERM; echo; read line`))
		p.line(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := g.Kill(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("Kill = %v, want nil or %v", err, context.Canceled)
		}
		p.end(t) // it has got its signal
	})
}

func TestRemoveOfOccupied(t *testing.T) {
	eachKind(t, func(t *testing.T, m *cgroup.Manager) {
		g := create(t, m, "occupied", sandbox.Limits{})
		p := start(t, g, shell(`echo; read line`))
		p.line(t)
		if err := g.Remove(bounded(t)); err == nil {
			t.Error("a group with a process in it is removed")
		}
	})
}

// A node that was killed leaves its groups; the next one with the same prefix ends them, and touches
// neither its own nor those of another node.
func TestSweep(t *testing.T) {
	eachKind(t, func(t *testing.T, m *cgroup.Manager) {
		prefix := filepath.Base(m.Parents()[0])
		left := []program{}
		for _, id := range []string{"a", "b"} {
			g, err := m.Create(id, sandbox.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			left = append(left, start(t, g, shell(`setsid sleep 300 & echo; wait`)))
			left[len(left)-1].line(t)
		}
		neighbour, _ := manager(t, "")
		kept := start(t, create(t, neighbour, "a", sandbox.Limits{}), shell(`echo; read line`))
		kept.line(t)

		next := reopen(t, prefix, "")
		own := start(t, create(t, next, "own", sandbox.Limits{}), shell(`echo; read line`))
		own.line(t)
		if n, err := next.Sweep(bounded(t)); n != 2 || err != nil {
			t.Errorf("Sweep = %d, %v, want 2, nil", n, err)
		}
		if n, err := next.Sweep(bounded(t)); n != 0 || err != nil {
			t.Errorf("Sweep again = %d, %v, want 0, nil", n, err)
		}
		for _, p := range left {
			p.end(t)
		}
		for _, p := range []program{kept, own} {
			p.in.Close()
			if s := p.end(t); s != 0 {
				t.Errorf("a program that was none of Sweep's business ends with %v", s)
			}
		}
	})
}

// Wherever the earlier node was started: its group can be below another one than ours.
func TestSweepElsewhere(t *testing.T) {
	eachKind(t, func(t *testing.T, m *cgroup.Manager) {
		prefix := filepath.Base(m.Parents()[0])
		for _, p := range m.Parents() {
			place := filepath.Join(filepath.Dir(p), prefix+"-elsewhere")
			for _, dir := range []string{place, filepath.Join(place, prefix), filepath.Join(place, prefix, "old")} {
				if err := os.Mkdir(dir, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			t.Cleanup(func() {
				if err := os.Remove(place); err != nil {
					t.Errorf("Sweep has left or taken too much: %v", err)
				}
			})
		}
		if n, err := m.Sweep(bounded(t)); n != 1 || err != nil {
			t.Errorf("Sweep = %d, %v, want 1, nil", n, err)
		}
	})
}
