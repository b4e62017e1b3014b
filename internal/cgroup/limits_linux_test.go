package cgroup_test

import (
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/cgroup"
	"github.com/nex-engine/nex/internal/sandbox"
)

func oomKills(t *testing.T, g *cgroup.Group) int {
	t.Helper()
	n, err := g.OOMKills()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestMemoryOverLimit(t *testing.T) {
	t.Parallel()
	g := create(t, limited(t), "hungry", sandbox.Limits{MemoryBytes: 32 << 20})
	neighbour := start(t, create(t, limited(t), "neighbour", sandbox.Limits{MemoryBytes: 64 << 20}), play("hold", "8"))
	neighbour.line(t)
	if n := oomKills(t, g); n != 0 {
		t.Errorf("OOMKills = %d before anything ran", n)
	}
	// It keeps a last line that never ends; should the limit not hold, that ends at 1 GiB anyway.
	if s := start(t, g, shell(`ulimit -v 1048576; exec tail /dev/zero`)).end(t); s != syscall.SIGKILL {
		t.Errorf("the program ends with %v, want %v", s, syscall.SIGKILL)
	}
	if n := oomKills(t, g); n != 1 {
		t.Errorf("OOMKills = %d, want 1", n)
	}
	neighbour.in.Close()
	if s := neighbour.end(t); s != 0 {
		t.Errorf("the neighbour ends with %v", s)
	}
}

// What is in use cannot be taken away: the limit stays as it was, and so do the others.
func TestSetBelowUse(t *testing.T) {
	t.Parallel()
	before := sandbox.Limits{MemoryBytes: 256 << 20, PIDs: 50, CPUs: 1}
	g := create(t, limited(t), "held", before)
	p := start(t, g, play("hold", "96"))
	p.line(t)
	want := contents(t, g)
	if err := g.Set(sandbox.Limits{MemoryBytes: 16 << 20, PIDs: 20, CPUs: 0.5}); err == nil || !strings.Contains(err.Error(), "memory are in use") {
		t.Errorf("Set below what is used = %v", err)
	}
	if got := contents(t, g); got != want {
		t.Errorf("limits = %s, want %s as before", got, want)
	}
	// It goes up, down again to what is used, and away.
	for _, l := range []sandbox.Limits{{MemoryBytes: 512 << 20}, {MemoryBytes: 160 << 20, PIDs: 30}, {}, before, {}} {
		if err := g.Set(l); err != nil {
			t.Errorf("Set(%+v): %v", l, err)
		}
	}
	if got := contents(t, g); strings.Contains(got, strconv.Itoa(256<<20)) {
		t.Errorf("limits = %s, want none", got)
	}
	p.in.Close()
	if s := p.end(t); s != 0 || oomKills(t, g) != 0 {
		t.Errorf("the program ends with %v, %d are killed for want of memory", s, oomKills(t, g))
	}
}

// contents are the limits as the kernel has them.
func contents(t *testing.T, g *cgroup.Group) string {
	t.Helper()
	var all []string
	for _, dir := range g.Dirs() {
		for _, name := range []string{
			"memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.max", "memory.swap.max",
			"pids.max", "cpu.cfs_quota_us", "cpu.max", "io.max",
		} {
			if b, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
				all = append(all, name+"="+strings.TrimSpace(string(b)))
			}
		}
	}
	return strings.Join(all, " ")
}

func TestCPUShare(t *testing.T) {
	t.Parallel()
	m := limited(t)
	const share, loops = 0.2, 4
	loop := `while :; do :; done & `
	hog := start(t, create(t, m, "hog", sandbox.Limits{CPUs: share}), shell(strings.Repeat(loop, loops)+`echo; wait`))
	free := start(t, create(t, m, "free", sandbox.Limits{}), shell(loop+`echo; wait`))
	hog.line(t)
	free.line(t)
	began := time.Now()
	// The neighbour's time is the clock: however busy the machine is, by then the hog could have had
	// several times as much.
	for sessionTime(t, free.Process.Pid) < time.Second {
		if time.Since(began) > patience {
			t.Fatal("the neighbour does not get a second of time")
		}
		time.Sleep(20 * time.Millisecond) // there is no event of it
	}
	elapsed, used := time.Since(began), sessionTime(t, hog.Process.Pid)
	t.Logf("in %v the hog of %d loops had %v, its neighbour a second", elapsed, loops, used)
	// What it had before the clock began, and what a tick is too coarse for, comes on top.
	if most := time.Duration(share*1.5*float64(elapsed)) + 200*time.Millisecond; used > most {
		t.Errorf("the hog had %v in %v, more than %v", used, elapsed, most)
	}
}

// sessionTime is the time on a processor that the children of a shell had.
func sessionTime(t *testing.T, parent int) (sum time.Duration) {
	t.Helper()
	b, err := os.ReadFile("/proc/" + strconv.Itoa(parent) + "/task/" + strconv.Itoa(parent) + "/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, child := range strings.Fields(string(b)) {
		stat, err := os.ReadFile("/proc/" + child + "/stat")
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		f := strings.Fields(rest)
		user, _ := strconv.Atoi(f[11])
		system, _ := strconv.Atoi(f[12])
		sum += time.Duration(user+system) * 10 * time.Millisecond // a tick
	}
	return sum
}

// A bomb fills its own group and nothing else: a neighbour can fork meanwhile, and is answered.
func TestForkBomb(t *testing.T) {
	t.Parallel()
	m := limited(t)
	const most = 60
	g := create(t, m, "bomb", sandbox.Limits{PIDs: most, CPUs: 0.5})
	neighbour := start(t, create(t, m, "calm", sandbox.Limits{PIDs: most}), shell(`while read line; do (echo $line); done`))
	quiet := answers(t, neighbour)
	bomb := start(t, g, play("bomb"))
	awaitFull(t, g, most)
	loud := answers(t, neighbour)
	t.Logf("the neighbour forks and answers in %v, beside the bomb in %v", quiet, loud)
	if loud > 20*quiet+200*time.Millisecond {
		t.Errorf("the neighbour takes %v beside the bomb, %v without", loud, quiet)
	}
	if n := population(t, g); n > most {
		t.Errorf("%d processes in the group, want at most %d", n, most)
	}
	began := time.Now()
	if err := g.Kill(bounded(t)); err != nil {
		t.Fatal(err)
	}
	t.Logf("killed in %v", time.Since(began))
	if n := population(t, g); n != 0 {
		t.Errorf("%d processes are left", n)
	}
	bomb.end(t)
}

// answers is the median time in which a program that forks for it answers.
func answers(t *testing.T, p program) time.Duration {
	t.Helper()
	const rounds = 201
	var all [rounds]time.Duration
	for i := range all {
		began := time.Now()
		if _, err := p.in.Write([]byte("x\n")); err != nil {
			t.Fatal(err)
		}
		p.line(t)
		all[i] = time.Since(began)
	}
	return median(all[:])
}

func awaitFull(t *testing.T, g *cgroup.Group, most int) {
	t.Helper()
	for began := time.Now(); population(t, g) < most-10; time.Sleep(time.Millisecond) { // there is no event of it
		if time.Since(began) > patience {
			t.Fatalf("only %d processes in the group", population(t, g))
		}
	}
}

// population is how many processes there are in a group.
func population(t *testing.T, g *cgroup.Group) (n int) {
	t.Helper()
	for _, dir := range g.Dirs() {
		b, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if err != nil {
			t.Fatal(err)
		}
		n = max(n, len(strings.Fields(string(b))))
	}
	return n
}

func TestSetRefuses(t *testing.T) {
	t.Parallel()
	m := limited(t)
	g := create(t, m, "refuse", sandbox.Limits{MemoryBytes: 64 << 20})
	want := contents(t, g)
	bad := []sandbox.Limits{
		{MemoryBytes: -1},
		{PIDs: -1},
		{CPUs: -1},
		{CPUs: math.NaN()},
		{CPUs: math.Inf(1)},
		{CPUs: 0.001},
		{MemoryBytes: math.MinInt64},
		{Bandwidth: &sandbox.Rate{}},
		{IOPS: &sandbox.Rate{Size: 1}},
		{IOPS: &sandbox.Rate{Size: 1, Refill: -1}},
	}
	if !m.Limits().Bandwidth {
		bad = append(bad, sandbox.Limits{Bandwidth: &sandbox.Rate{Size: 1 << 20, Refill: time.Second}})
	}
	for _, l := range bad {
		if err := g.Set(l); err == nil {
			t.Errorf("Set(%+v) succeeds", l)
		}
		if _, err := m.Create("new", l); err == nil {
			t.Errorf("Create with %+v succeeds", l)
		}
	}
	if got := contents(t, g); got != want {
		t.Errorf("limits = %s, want %s as before", got, want)
	}
	for _, id := range []string{"", "..", "a/b", "a.b", "refuse", strings.Repeat("x", 65)} {
		if _, err := m.Create(id, sandbox.Limits{}); err == nil {
			t.Errorf("Create(%q) succeeds", id)
		}
	}
	// The largest numbers are for the kernel to judge.
	if err := g.Set(sandbox.Limits{MemoryBytes: math.MaxInt64, PIDs: 1 << 20, CPUs: 10_000}); err != nil {
		t.Error(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"", "nex-", "nex", "other-1", "nex-../x", "nex-A", "nex-" + strings.Repeat("x", 100)} {
		if _, err := cgroup.Open(cgroup.Config{Prefix: prefix}); err == nil {
			t.Errorf("Open with prefix %q succeeds", prefix)
		}
	}
}
