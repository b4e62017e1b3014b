package cgroup_test

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/nex-engine/nex/internal/cgroup"
	"github.com/nex-engine/nex/internal/sandbox"
)

// A node leaves its groups, and the next one has them as if it had made them.
func TestAdopt(t *testing.T) {
	eachKind(t, func(t *testing.T, m *cgroup.Manager) {
		prefix := filepath.Base(m.Parents()[0])
		parents := m.Parents()
		var programs []program
		for _, id := range []string{"a", "b", "c"} {
			g, err := m.Create(id, sandbox.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			p := start(t, g, shell(`setsid sleep 300 & echo; read line; kill $!`))
			p.line(t)
			programs = append(programs, p)
		}
		if err := m.Leave(); err != nil {
			t.Errorf("Leave: %v", err)
		}

		next := reopen(t, prefix, "")
		var groups []*cgroup.Group
		for _, id := range []string{"a", "b"} {
			g, err := next.Adopt(id, sandbox.Limits{})
			if err != nil {
				t.Fatalf("Adopt: %v", err)
			}
			if len(g.Dirs()) != len(parents) {
				t.Errorf("the group is %q, want one in each of %q", g.Dirs(), parents)
			}
			if _, err := next.Adopt(id, sandbox.Limits{}); err == nil {
				t.Error("a group is adopted twice")
			}
			if g, err := next.Create(id, sandbox.Limits{}); err == nil {
				t.Error("a group is made that was adopted")
				end(t, g)
			}
			groups = append(groups, g)
		}
		if n, err := next.Sweep(bounded(t)); n != 1 || err != nil {
			t.Errorf("Sweep = %d, %v, want 1, nil", n, err)
		}
		programs[2].end(t)
		programs[0].in.Close()
		if s := programs[0].end(t); s != 0 {
			t.Errorf("a program of an adopted group ends with %v", s)
		}
		for _, g := range groups {
			if n, err := g.OOMKills(); n != 0 || err != nil {
				t.Errorf("OOMKills = %d, %v, want 0, nil", n, err)
			}
			end(t, g)
		}
		if programs[1].end(t) == 0 {
			t.Error("a program of an adopted group was not killed with it")
		}
	})
}

// Wherever the earlier node was started; and several at the same time.
func TestAdoptElsewhere(t *testing.T) {
	eachKind(t, func(t *testing.T, m *cgroup.Manager) {
		prefix := filepath.Base(m.Parents()[0])
		ids := []string{"a", "b", "c", "d"}
		for _, p := range m.Parents() {
			place := filepath.Join(filepath.Dir(p), prefix+"-elsewhere")
			for _, dir := range []string{place, filepath.Join(place, prefix)} {
				if err := os.Mkdir(dir, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			for _, id := range ids {
				if err := os.Mkdir(filepath.Join(place, prefix, id), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			t.Cleanup(func() {
				if err := m.Close(); err != nil { // which reopen does only later
					t.Error(err)
				}
				if err := os.Remove(place); err != nil {
					t.Errorf("too much was left or taken: %v", err)
				}
			})
		}
		var group sync.WaitGroup
		for _, id := range ids[1:] {
			group.Go(func() {
				g, err := m.Adopt(id, sandbox.Limits{})
				if err != nil {
					t.Errorf("Adopt: %v", err)
					return
				}
				if len(g.Dirs()) != len(m.Parents()) {
					t.Errorf("the group is %q, want %d directories", g.Dirs(), len(m.Parents()))
				}
				t.Cleanup(func() { end(t, g) })
			})
		}
		group.Wait()
		if n, err := m.Sweep(bounded(t)); n != 1 || err != nil {
			t.Errorf("Sweep = %d, %v, want 1, nil", n, err)
		}
	})
}

// What was started without groups has none.
func TestAdoptNone(t *testing.T) {
	t.Parallel()
	m, _ := manager(t, "")
	for _, m := range []*cgroup.Manager{m, nil} {
		g, err := m.Adopt("a", sandbox.Limits{})
		if err != nil {
			t.Fatalf("Adopt: %v", err)
		}
		if len(g.Dirs()) > 0 {
			t.Errorf("the group is %q, want none", g.Dirs())
		}
		if err := g.Set(sandbox.Limits{MemoryBytes: 1 << 30}); err == nil {
			t.Error("a limit is accepted that does not hold")
		}
		if err := g.Set(sandbox.Limits{}); err != nil {
			t.Error(err)
		}
		end(t, g)
		g.Abandon()
		if _, err := m.Adopt("a.b", sandbox.Limits{}); err == nil {
			t.Error("a group of a malformed name is adopted")
		}
		if m == nil && m.Leave() != nil {
			t.Error("Leave of no Manager fails")
		}
	}
}

// A group that was adopted in vain is left, and so are its limits: the next ones are all written.
func TestPlayedAdopt(t *testing.T) {
	t.Parallel()
	k := newKernel(t, all, "/")
	m := k.open("/")
	limits := sandbox.Limits{MemoryBytes: 64 << 20, PIDs: 100}
	if _, err := m.Create("a", limits); err != nil {
		t.Fatal(err)
	}
	if err := m.Leave(); err != nil {
		t.Error(err)
	}
	group := filepath.Join(playedPrefix, "a")
	// The node was killed after it had written down what it was going to set.
	k.put(group, "pids.max", "7")

	next := k.open("/")
	g, err := next.Adopt("a", limits)
	if err != nil {
		t.Fatal(err)
	}
	g.Abandon()
	if g, err = next.Adopt("a", limits); err != nil {
		t.Fatal(err)
	}
	k.refuse = map[string]string{"cpu.max": "250000"}
	if err := g.Set(sandbox.Limits{MemoryBytes: 80 << 20, PIDs: 5, CPUs: 2.5}); err == nil {
		t.Error("Set succeeds although the kernel refuses a value")
	}
	for file, want := range map[string]string{"pids.max": "100", "memory.max": "67108864", "cpu.max": "max 100000"} {
		if got := k.get(group, file); got != want {
			t.Errorf("%s = %q after a Set that failed, want %q", file, got, want)
		}
	}
	k.refuse = nil
	k.put(group, "pids.max", "7")
	if err := g.Set(limits); err != nil {
		t.Error(err)
	}
	if got := k.get(group, "pids.max"); got != "100" {
		t.Errorf("pids.max = %q, want 100", got)
	}
	g.Abandon()
	if n, err := next.Sweep(bounded(t)); n != 1 || err != nil {
		t.Errorf("Sweep = %d, %v, want 1, nil", n, err)
	}
	if err := next.Close(); err != nil {
		t.Error(err)
	}
}

// A node that has stepped aside stays there when it leaves its groups; without any it goes back.
func TestPlayedLeave(t *testing.T) {
	t.Parallel()
	const own = "/system.slice/nex.service"
	k := newKernel(t, all, own)
	m := k.open(own)
	if _, err := m.Create("a", sandbox.Limits{}); err != nil {
		t.Fatal(err)
	}
	if err := m.Leave(); err != nil {
		t.Error(err)
	}
	if got := k.get(own+"/"+playedPrefix+"-node", "cgroup.procs"); got == "" {
		t.Error("the node has left the place aside, where groups are left that need it there")
	}
	if _, err := os.Stat(filepath.Join(k.top, own, playedPrefix, "a")); err != nil {
		t.Errorf("the group that was to be left: %v", err)
	}

	k = newKernel(t, all, own)
	m = k.open(own)
	g, err := m.Create("a", sandbox.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	end(t, g)
	if err := m.Leave(); err != nil {
		t.Error(err)
	}
	if got := k.get(own, "cgroup.procs"); got == "" {
		t.Error("a node without groups has not gone back")
	}
}

// The next node uses the place of the earlier one, though that has made its own the better one: as a service
// whose program is in a group below that of the service.
func TestPlayedPlaceOfEarlier(t *testing.T) {
	t.Parallel()
	const service, own = "/system.slice/nex.service", "/system.slice/nex.service/main"
	k := newKernel(t, all, own)
	k.enable(service, "-cpu -io -memory -pids")
	k.put(own, "cgroup.controllers", "")
	want := []string{filepath.Join(k.top, service, playedPrefix)}
	for n := range 3 {
		m := k.open(own)
		if got := m.Parents(); !slices.Equal(got, want) {
			t.Fatalf("node %d: parents = %q, want %q: %s", n, got, want, m.Limits().Missing)
		}
		if got := k.get(own, "cgroup.procs"); got == "" || k.get(own, "cgroup.subtree_control") != "" {
			t.Errorf("node %d was moved aside", n)
		}
		take := m.Adopt
		if n == 0 {
			take = m.Create
		}
		if _, err := take("a", sandbox.Limits{}); err != nil {
			t.Fatal(err)
		}
		if err := m.Leave(); err != nil {
			t.Error(err)
		}
	}
}
