package process_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/cgroup"
	"github.com/nex-engine/nex/internal/proctree"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/process"
)

// patience is how long anything may take on a machine that is busy.
const patience = 60 * time.Second

// node is a driver whose agents are shells: their bootstrap documents are scripts.
type node struct {
	*testing.T
	*process.Driver
	prefix string
}

// newNode makes a driver with control groups. Nothing of them may be left when the test ends.
func newNode(t *testing.T) node {
	t.Helper()
	dir := t.TempDir()
	prefix := fmt.Sprintf("nex-test-%d-%d", os.Getpid(), time.Now().UnixNano())
	m, err := cgroup.Open(cgroup.Config{Prefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Errorf("control groups are left: %v", err)
		}
	})
	d, err := process.New(process.Config{AgentPath: "/bin/sh", Dir: dir, Cgroups: m})
	if err != nil {
		t.Fatal(err)
	}
	if l := d.Capabilities().Limits; !l.Memory || !l.CPUs || !l.PIDs {
		if os.Geteuid() != 0 {
			t.Skip("control groups cannot be made here, which needs root: " + l.Missing)
		}
		t.Fatalf("limits = %+v, want memory, processors and processes", l)
	}
	return node{t, d, prefix}
}

// agent is a running one.
type agent struct {
	sandbox.Instance
	node  node
	lines chan string
}

func (n node) start(l sandbox.Limits, script string) agent {
	n.Helper()
	lines := make(chan string, 1000)
	i, err := n.Start(n.bounded(), sandbox.Spec{
		ID: fmt.Sprintf("a%d", time.Now().UnixNano()), Bootstrap: []byte(script + "\n"),
		Settings: sandbox.Settings{Limits: l}, Log: func(line string) { lines <- line },
	})
	if err != nil {
		n.Fatalf("Start: %v", err)
	}
	a := agent{i, n, lines}
	n.Cleanup(a.destroy)
	return a
}

func (n node) bounded() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	n.Cleanup(cancel)
	return ctx
}

func (a agent) destroy() {
	a.node.Helper()
	if err := a.Destroy(a.node.bounded()); err != nil {
		a.node.Errorf("Destroy: %v", err)
	}
}

func (a agent) line() string {
	a.node.Helper()
	select {
	case l := <-a.lines:
		return l
	case <-time.After(patience):
		a.node.Fatal("the agent prints nothing")
		return ""
	}
}

// process is the one whose number the agent prints.
func (a agent) process() proctree.Identity {
	a.node.Helper()
	pid, err := strconv.Atoi(a.line())
	if err != nil {
		a.node.Fatal(err)
	}
	id, err := proctree.Identify(pid)
	if err != nil {
		a.node.Fatal(err)
	}
	return id
}

func (a agent) end() nex.Exit {
	a.node.Helper()
	select {
	case <-a.Done():
	case <-time.After(patience):
		a.node.Fatal("the agent does not end")
	}
	return a.Exit()
}

// groups are the directories of the agent's control groups that are there.
func (a agent) groups() []string {
	a.node.Helper()
	var all []string
	for _, pattern := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/*", "/sys/fs/cgroup/*/*", "/sys/fs/cgroup/*/*/*"} {
		found, err := filepath.Glob(filepath.Join(pattern, a.node.prefix, a.ID()))
		if err != nil {
			a.node.Fatal(err)
		}
		all = append(all, found...)
	}
	return all
}

func (a agent) wantGone(ids ...proctree.Identity) {
	a.node.Helper()
	for _, id := range ids {
		if id.Running() {
			a.node.Errorf("process %d is left", id.PID)
		}
	}
}

// filler takes memory without an end; should the limit not hold, it ends at 1 GiB anyway.
const filler = `ulimit -v 1048576; exec tail /dev/zero`

func TestAgentOutOfMemory(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	neighbour := n.start(sandbox.Limits{MemoryBytes: 64 << 20}, `sleep 300 & echo $!; wait`)
	sleeper := neighbour.process()
	a := n.start(sandbox.Limits{MemoryBytes: 32 << 20}, filler)
	if got, want := a.end(), (nex.Exit{Code: -1, Signal: "SIGKILL", OOM: true}); got != want {
		t.Errorf("exit = %+v, want %+v", got, want)
	}
	if !sleeper.Running() {
		t.Error("a neighbour was killed")
	}
}

// An agent whose workload was killed goes on; that we kill it then is no want of memory.
func TestWorkloadOutOfMemory(t *testing.T) {
	t.Parallel()
	a := newNode(t).start(sandbox.Limits{MemoryBytes: 32 << 20}, `(`+filler+`); echo $?; sleep 300`)
	if got, want := a.line(), "137"; got != want {
		// The shell says first that its child was killed.
		if got = a.line(); got != want {
			t.Errorf("the workload ended with %s, want %s", got, want)
		}
	}
	a.destroy()
	if got, want := a.Exit(), (nex.Exit{Code: -1, Signal: "SIGKILL"}); got != want {
		t.Errorf("exit = %+v, want %+v", got, want)
	}
}

// When the machine has no memory left the kernel kills an agent, and not the node.
func TestAgentGoesBeforeTheNode(t *testing.T) {
	t.Parallel()
	a := newNode(t).start(sandbox.Limits{}, `echo $$; sleep 300`)
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", a.process().PID))
	if got, want := strings.TrimSpace(string(b)), strconv.Itoa(cgroup.OOMScoreAdj()); got != want {
		t.Errorf("oom_score_adj = %q, %v, want %s", got, err, want)
	}
}

// A process without parent, session and environment, of an agent that is no subreaper, is found by its
// group alone.
const detach = `echo $$
(setsid env -i sh -c 'trap "" TERM HUP; echo $$; sleep 300 & wait' &)
sleep 300; wait`

func TestNobodyIsLeft(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	for _, c := range []struct {
		name string
		end  func(agent, proctree.Identity)
	}{
		{"destroyed", func(a agent, _ proctree.Identity) { a.destroy() }},
		{"killed", func(a agent, root proctree.Identity) {
			if err := unix.Kill(root.PID, unix.SIGKILL); err != nil {
				t.Error(err)
			}
			if e := a.end(); e.OOM || e.Signal != "SIGKILL" {
				t.Errorf("exit = %+v, want killed by somebody", e)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := n.start(sandbox.Limits{}, detach)
			root, left := a.process(), a.process()
			if len(a.groups()) == 0 {
				t.Error("the agent has no control group")
			}
			c.end(a, root)
			a.wantGone(root, left)
			a.destroy()
			if left := a.groups(); len(left) > 0 {
				t.Errorf("control groups %q are left", left)
			}
		})
	}
}

// A bomb fills its own group; its neighbour starts processes as before, and it ends when it shall.
func TestAgentIsABomb(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	const most = 150
	a := n.start(sandbox.Limits{PIDs: most, CPUs: 0.5}, `
b='while :; do (setsid env -i sleep 3 &); done 2>/dev/null'
for i in 1 2 3 4; do sh -c 'while :; do sh -c "$0"; done' "$b" & done; echo; sleep 300; wait`)
	a.line()
	pidsOf := func() (most int) {
		for _, dir := range a.groups() {
			b, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
			if err != nil {
				t.Fatal(err)
			}
			most = max(most, len(strings.Fields(string(b))))
		}
		return most
	}
	for began := time.Now(); pidsOf() < most-30; time.Sleep(time.Millisecond) { // there is no event of it
		if time.Since(began) > patience {
			t.Fatalf("the bomb has only %d processes", pidsOf())
		}
	}
	began := time.Now()
	neighbour := n.start(sandbox.Limits{PIDs: most}, `for i in 1 2 3 4 5 6 7 8 9; do (echo $i); done; exit 7`)
	if e := neighbour.end(); e.Code != 7 {
		t.Errorf("the neighbour's exit = %+v, want code 7", e)
	}
	t.Logf("the neighbour started, forked 9 times and ended in %v", time.Since(began))
	began = time.Now()
	a.destroy()
	t.Logf("the bomb was destroyed in %v", time.Since(began))
	if left := a.groups(); len(left) > 0 {
		t.Errorf("control groups %q are left", left)
	}
}

func TestOpenFilesOfEachProcess(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	var before, after unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	const most = 40
	// A Go program raises the limit for itself as far as it may, and gives its children the one it found.
	a := n.start(sandbox.Limits{OpenFiles: most}, fmt.Sprintf("ulimit -n; ulimit -Hn; %s=1 exec %s", filesVariable, os.Args[0]))
	for _, what := range []string{"soft", "hard", "child's"} {
		if got := a.line(); got != strconv.Itoa(most) {
			t.Errorf("%s limit = %s, want %d", what, got, most)
		}
	}
	var opened int
	if _, err := fmt.Sscanf(a.line(), "opened %d", &opened); err != nil || opened < most/2 || opened > most {
		t.Errorf("a program opens %d files, %v, want at most %d", opened, err, most)
	}
	if e := a.end(); e != (nex.Exit{}) {
		t.Errorf("exit = %+v", e)
	}
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &after); err != nil || before != after {
		t.Errorf("the node's own limit = %v, %v, want %v", after, err, before)
	}
}

// More than the node may have itself is not given, and no error.
func TestManyOpenFiles(t *testing.T) {
	t.Parallel()
	var own unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &own); err != nil {
		t.Fatal(err)
	}
	a := newNode(t).start(sandbox.Limits{OpenFiles: int(own.Max) + 1}, "ulimit -Hn")
	if got, want := a.line(), strconv.FormatUint(own.Max, 10); got != want {
		t.Errorf("limit = %s, want %s", got, want)
	}
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

func TestConfigure(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	a := n.start(sandbox.Limits{MemoryBytes: 64 << 20, OpenFiles: 100}, `echo; sleep 300`)
	a.line()
	file := ""
	for _, dir := range a.groups() {
		if f := filepath.Join(dir, "pids.max"); exists(f) {
			file = f
		}
	}
	wantPIDs := func(want string) {
		t.Helper()
		if b, err := os.ReadFile(file); err != nil || strings.TrimSpace(string(b)) != want {
			t.Errorf("processes = %s, %v, want %s", b, err, want)
		}
	}
	wantPIDs("max")
	configure := func(l sandbox.Limits) error { return a.Configure(n.bounded(), sandbox.Settings{Limits: l}) }
	if err := configure(sandbox.Limits{MemoryBytes: 128 << 20, OpenFiles: 100, PIDs: 77, CPUs: 1.5}); err != nil {
		t.Error(err)
	}
	wantPIDs("77")
	for _, l := range []sandbox.Limits{
		{MemoryBytes: 128 << 20, OpenFiles: 101},
		{OpenFiles: 100, DiskBytes: 1 << 30},
		{OpenFiles: 100, Bandwidth: &sandbox.Rate{Size: 1, Refill: 1}},
		{OpenFiles: 100, MemoryBytes: 4096},
		{OpenFiles: 100, PIDs: -1},
	} {
		if err := configure(l); err == nil {
			t.Errorf("Configure(%+v) succeeds", l)
		}
	}
	wantPIDs("77")
	if err := configure(sandbox.Limits{OpenFiles: 100}); err != nil {
		t.Error(err)
	}
	wantPIDs("max")
	a.destroy()
	if err := configure(sandbox.Limits{OpenFiles: 100, PIDs: 5}); err == nil {
		t.Error("Configure succeeds after the end")
	}
}

func TestLimitsThatDoNotHold(t *testing.T) {
	t.Parallel()
	with := newNode(t)
	dir := t.TempDir()
	plain, err := process.New(process.Config{AgentPath: "/bin/sh", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	rate := &sandbox.Rate{Size: 1 << 20, Refill: time.Second}
	for _, c := range []struct {
		driver *process.Driver
		limits []sandbox.Limits
	}{
		{with.Driver, []sandbox.Limits{{DiskBytes: 1}, {Bandwidth: rate}, {IOPS: rate}, {OpenFiles: -1}, {MemoryBytes: -1}}},
		{plain, []sandbox.Limits{{DiskBytes: 1}, {MemoryBytes: 1 << 30}, {CPUs: 1}, {PIDs: 100}}},
	} {
		set := c.driver.Capabilities().Limits
		if set.Missing == "" || set.Disk || set.Bandwidth || set.IOPS || !set.OpenFiles {
			t.Errorf("limits = %+v", set)
		}
		for _, l := range c.limits {
			if _, err := c.driver.Start(with.bounded(), sandbox.Spec{ID: "refused", Settings: sandbox.Settings{Limits: l}}); err == nil {
				t.Errorf("Start with %+v succeeds", l)
			}
		}
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		t.Errorf("%d sandboxes are left", len(entries))
	}
}

// What a killed node leaves is found by its group, also when its records are gone.
func TestSweepFindsGroups(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	m, err := cgroup.Open(cgroup.Config{Prefix: n.prefix})
	if err != nil {
		t.Fatal(err)
	}
	earlier, err := process.New(process.Config{AgentPath: "/bin/sh", Dir: t.TempDir(), Cgroups: m})
	if err != nil {
		t.Fatal(err)
	}
	a := node{t, earlier, n.prefix}.start(sandbox.Limits{}, detach)
	ids := []proctree.Identity{a.process(), a.process()}
	own := n.start(sandbox.Limits{}, `echo; sleep 300`)
	own.line()
	if _, err := n.Sweep(n.bounded()); err != nil {
		t.Error(err)
	}
	a.wantGone(ids...)
	if len(a.groups()) > 0 || len(own.groups()) == 0 {
		t.Errorf("groups = %q and %q, want none and some", a.groups(), own.groups())
	}
}
