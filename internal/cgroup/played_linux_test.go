package cgroup_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/cgroup"
	"github.com/nex-engine/nex/internal/sandbox"
)

// kernel plays the files of version 2 in a directory, as far as making groups and setting limits goes:
// which files a group has follows from what its parent enables, and a group with processes cannot enable
// anything, unless it is the root. What a limit does to a process it does not play.
type kernel struct {
	*testing.T
	top    string            // where it is mounted
	box    bool              // it is a container's: the top is not the root of all
	refuse map[string]string // a value that a file does not take, by name
}

// limitFiles are the files by which a controller bounds, and what is in them at first.
var limitFiles = map[string]map[string]string{
	"memory": {"memory.max": "max", "memory.swap.max": "max", "memory.current": "0", "memory.stat": "", "memory.events": "oom_kill 0"},
	"cpu":    {"cpu.max": "max 100000"},
	"pids":   {"pids.max": "max"},
	"io":     {"io.max": ""},
}

// newKernel makes a root group that offers controllers and has children below each other, the last of
// which holds processes: this one if there are none else.
func newKernel(t *testing.T, controllers, own string, procs ...int) *kernel {
	k := &kernel{T: t, top: filepath.Join(t.TempDir(), "cgroup"), refuse: map[string]string{}}
	if err := os.Mkdir(k.top, 0o755); err != nil {
		t.Fatal(err)
	}
	k.put("", "cgroup.controllers", controllers)
	k.put("", "cgroup.subtree_control", "")
	k.put("", "cgroup.procs", "")
	dir := ""
	for _, name := range strings.Split(strings.Trim(own, "/"), "/") {
		if name == "" {
			continue
		}
		k.enable(dir, controllers)
		dir = filepath.Join(dir, name)
		if err := k.mkdir(filepath.Join(k.top, dir)); err != nil {
			t.Fatal(err)
		}
	}
	if len(procs) == 0 {
		procs = []int{os.Getpid()}
	}
	var list strings.Builder
	for _, p := range procs {
		fmt.Fprintln(&list, p)
	}
	k.put(dir, "cgroup.procs", list.String())
	return k
}

func (k *kernel) put(group, file, value string) {
	k.Helper()
	if err := os.WriteFile(filepath.Join(k.top, group, file), []byte(value), 0o600); err != nil {
		k.Fatal(err)
	}
}

func (k *kernel) get(group, file string) string {
	k.Helper()
	b, err := os.ReadFile(filepath.Join(k.top, group, file))
	if err != nil {
		k.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func (k *kernel) rel(path string) string {
	rel, err := filepath.Rel(k.top, path)
	if err != nil {
		k.Fatal(err)
	}
	return rel
}

func (k *kernel) mkdir(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for _, f := range []string{"cgroup.procs", "cgroup.subtree_control", "cgroup.kill", "cgroup.controllers"} {
		k.put(k.rel(dir), f, "")
	}
	k.enable(k.rel(filepath.Dir(dir)), "")
	return nil
}

func (k *kernel) rmdir(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(entries, os.DirEntry.IsDir) || k.get(k.rel(dir), "cgroup.procs") != "" {
		return unix.EBUSY
	}
	return os.RemoveAll(dir)
}

// enable enables more controllers in a group, or less with a minus, and gives its children their files.
func (k *kernel) enable(group, change string) {
	enabled := strings.Fields(k.get(group, "cgroup.subtree_control"))
	for _, c := range strings.Fields(change) {
		name := strings.TrimLeft(c, "+-")
		enabled = slices.DeleteFunc(enabled, func(e string) bool { return e == name })
		if c[0] != '-' {
			enabled = append(enabled, name)
		}
	}
	k.put(group, "cgroup.subtree_control", strings.Join(enabled, " "))
	children, err := os.ReadDir(filepath.Join(k.top, group))
	if err != nil {
		k.Fatal(err)
	}
	for _, child := range children {
		if !child.IsDir() {
			continue
		}
		dir := filepath.Join(group, child.Name())
		k.put(dir, "cgroup.controllers", strings.Join(enabled, " "))
		for _, c := range enabled {
			for file, value := range limitFiles[c] {
				if _, err := os.Stat(filepath.Join(k.top, dir, file)); err != nil {
					k.put(dir, file, value)
				}
			}
		}
	}
}

func (k *kernel) write(path, value string) error {
	group, file := k.rel(filepath.Dir(path)), filepath.Base(path)
	if _, err := os.Stat(path); err != nil {
		return err
	}
	if bad, ok := k.refuse[file]; ok && strings.Contains(value, bad) {
		return unix.EINVAL
	}
	switch file {
	case "cgroup.subtree_control":
		if (group != "." || k.box) && k.get(group, "cgroup.procs") != "" {
			return unix.EBUSY
		}
		k.enable(group, value)
	case "cgroup.procs":
		return k.move(group)
	case "io.max":
		disk, _, _ := strings.Cut(value, " ")
		lines := slices.DeleteFunc(strings.Split(k.get(group, file), "\n"), func(l string) bool { return l == "" || strings.HasPrefix(l, disk+" ") })
		lines = append(lines, value)
		slices.Sort(lines)
		k.put(group, file, strings.Join(lines, "\n"))
	default:
		k.put(group, file, value)
	}
	return nil
}

// move moves this process.
func (k *kernel) move(to string) error {
	if (to != "." || k.box) && k.get(to, "cgroup.subtree_control") != "" {
		return unix.EBUSY
	}
	self := strconv.Itoa(os.Getpid())
	err := filepath.WalkDir(k.top, func(path string, _ os.DirEntry, err error) error {
		if filepath.Base(path) == "cgroup.procs" {
			group := k.rel(filepath.Dir(path))
			rest := slices.DeleteFunc(strings.Fields(k.get(group, "cgroup.procs")), func(p string) bool { return p == self })
			k.put(group, "cgroup.procs", strings.Join(rest, "\n"))
		}
		return err
	})
	k.put(to, "cgroup.procs", strings.TrimSpace(k.get(to, "cgroup.procs")+"\n"+self))
	return err
}

const playedPrefix = "nex-played"

// open opens a Manager for a process in the group own.
func (k *kernel) open(own string) *cgroup.Manager {
	k.Helper()
	proc, disks := k.TempDir(), k.TempDir()
	for file, text := range map[string]string{
		filepath.Join(proc, "mountinfo"):      fmt.Sprintf("30 23 0:26 / %s rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n", k.top),
		filepath.Join(proc, "cgroup"):         "0::" + own + "\n",
		filepath.Join(disks, "sda", "dev"):    "8:0\n",
		filepath.Join(disks, "loop3", "dev"):  "7:3\n",
		filepath.Join(disks, "nvme0", "dev"):  "259:0\n",
		filepath.Join(disks, "nvme0", "size"): "5\n",
	} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			k.Fatal(err)
		}
	}
	m, err := cgroup.OpenWith(cgroup.Config{Prefix: playedPrefix}, cgroup.Files{
		Proc: proc, Disks: disks, Mkdir: k.mkdir, Rmdir: k.rmdir, Write: k.write,
	})
	if err != nil {
		k.Fatal(err)
	}
	return m
}

const all = "cpuset cpu io memory pids"

func TestPlayedPlaces(t *testing.T) {
	t.Parallel()
	self := os.Getpid()
	for _, c := range []struct {
		name, controllers, own string
		procs                  []int
		parent                 string // where the node's group is; empty if there is none
		limits                 sandbox.LimitSet
		procsIn                string // where this process is then
	}{
		{"in the root", all, "/", []int{1, self}, "", sandbox.LimitSet{}, "/"},
		{"alone in a service", all, "/system.slice/nex.service", []int{self}, "system.slice/nex.service", sandbox.LimitSet{}, "system.slice/nex.service/" + playedPrefix + "-node"},
		{"with others in a session", all, "/user.slice/session-1.scope", []int{self, 4711}, "user.slice", sandbox.LimitSet{}, "user.slice/session-1.scope"},
		{"without processors", "memory pids", "/", []int{self}, "", sandbox.LimitSet{Memory: true, PIDs: true}, "/"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := newKernel(t, c.controllers, c.own, c.procs...)
			m := k.open(c.own)
			if got, want := m.Parents(), []string{filepath.Join(k.top, c.parent, playedPrefix)}; !slices.Equal(got, want) {
				t.Fatalf("parents = %q, want %q: %s", got, want, m.Limits().Missing)
			}
			want := c.limits
			if want == (sandbox.LimitSet{}) {
				want = sandbox.LimitSet{Memory: true, CPUs: true, PIDs: true, Bandwidth: true, IOPS: true}
			}
			got := m.Limits()
			if missing := got.Missing; (missing == "") != want.CPUs {
				t.Errorf("Missing = %q", missing)
			}
			got.Missing = ""
			if got != want {
				t.Errorf("limits = %+v, want %+v", got, want)
			}
			if procs := strings.Fields(k.get(c.procsIn, "cgroup.procs")); !slices.Contains(procs, strconv.Itoa(self)) {
				t.Errorf("in %s are %q, want this process among them", c.procsIn, procs)
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
			if procs := strings.Fields(k.get(c.own, "cgroup.procs")); len(procs) != len(c.procs) {
				t.Errorf("after Close in %s are %q, want %v", c.own, procs, c.procs)
			}
			if left, _ := filepath.Glob(filepath.Join(k.top, "*", "*", playedPrefix+"*")); len(left) > 0 {
				t.Errorf("left after Close: %q", left)
			}
		})
	}
}

// A container sees its own group as the root, but it is none: it must be alone there, or go without.
func TestPlayedContainer(t *testing.T) {
	t.Parallel()
	for _, others := range [][]int{nil, {4711}} {
		k := newKernel(t, all, "/", append(others, os.Getpid())...)
		k.box = true
		m := k.open("/")
		if l := m.Limits(); l.Memory != (others == nil) || (l.Missing == "") != (others == nil) {
			t.Errorf("beside %v: limits = %+v", others, l)
		}
		if others != nil && !strings.Contains(m.Limits().Missing, "holds other processes") {
			t.Errorf("Missing = %q", m.Limits().Missing)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if got, want := len(strings.Fields(k.get("", "cgroup.procs"))), len(others)+1; got != want {
			t.Errorf("%d processes in the container's group after Close, want %d", got, want)
		}
		if left, _ := filepath.Glob(filepath.Join(k.top, playedPrefix+"*")); len(left) > 0 {
			t.Errorf("left after Close: %q", left)
		}
	}
}

func TestPlayedLimits(t *testing.T) {
	t.Parallel()
	k := newKernel(t, all, "/")
	m := k.open("/")
	g, err := m.Create("a", sandbox.Limits{
		MemoryBytes: 64 << 20, CPUs: 1.5, PIDs: 100,
		Bandwidth: &sandbox.Rate{Size: 10 << 20, Refill: 2 * time.Second, Burst: 5},
	})
	if err != nil {
		t.Fatal(err)
	}
	group := filepath.Join(playedPrefix, "a")
	// The last are bytes and operations a second, for every disk.
	want := func(values ...string) {
		t.Helper()
		bytes, operations := values[4], values[5]
		rate := fmt.Sprintf("rbps=%s wbps=%s riops=%s wiops=%s", bytes, bytes, operations, operations)
		values = append(values[:4], "259:0 "+rate+"\n8:0 "+rate)
		var got []string
		for _, f := range []string{"memory.max", "memory.swap.max", "cpu.max", "pids.max", "io.max"} {
			got = append(got, k.get(group, f))
		}
		if !slices.Equal(got, values) {
			t.Errorf("limits = %q, want %q", got, values)
		}
	}
	want("67108864", "0", "150000 100000", "100", "5242880", "max")

	// What the kernel can drop does not count as used, the rest does.
	k.put(group, "memory.current", strconv.Itoa(40<<20))
	k.put(group, "memory.stat", fmt.Sprintf("anon %d\ninactive_file %d\nactive_file 1\nslab_reclaimable 1\n", 25<<20, 15<<20))
	if err := g.Set(sandbox.Limits{MemoryBytes: 20 << 20}); err == nil || !strings.Contains(err.Error(), "memory are in use") {
		t.Errorf("Set below what is used = %v", err)
	}
	want("67108864", "0", "150000 100000", "100", "5242880", "max")
	if err := g.Set(sandbox.Limits{MemoryBytes: 30 << 20, IOPS: &sandbox.Rate{Size: 7, Refill: time.Second}}); err != nil {
		t.Error(err)
	}
	want("31457280", "0", "max 100000", "max", "max", "7")

	// All or nothing: the processors are changed after memory and processes, the disks last.
	for file, bad := range map[string]string{"cpu.max": "250000", "io.max": "riops=9"} {
		k.refuse = map[string]string{file: bad}
		l := sandbox.Limits{MemoryBytes: 80 << 20, PIDs: 5, CPUs: 2.5, IOPS: &sandbox.Rate{Size: 9, Refill: time.Second}}
		if err := g.Set(l); !errors.Is(err, unix.EINVAL) {
			t.Errorf("Set = %v, want %v", err, unix.EINVAL)
		}
		want("31457280", "0", "max 100000", "max", "max", "7")
	}
	k.refuse = nil
	if err := g.Set(sandbox.Limits{}); err != nil {
		t.Error(err)
	}
	want("max", "max", "max 100000", "max", "max", "max")

	k.put(group, "memory.events", "low 0\nhigh 0\nmax 9\noom 4\noom_kill 3\noom_group_kill 0\n")
	if n, err := g.OOMKills(); n != 3 || err != nil {
		t.Errorf("OOMKills = %d, %v, want 3", n, err)
	}
	if err := errors.Join(g.Kill(bounded(t)), g.Remove(bounded(t))); err != nil {
		t.Error(err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

// A group that cannot have its limits is not made.
func TestPlayedCreateUndone(t *testing.T) {
	t.Parallel()
	k := newKernel(t, all, "/")
	m := k.open("/")
	k.refuse = map[string]string{"pids.max": "5"}
	if _, err := m.Create("a", sandbox.Limits{PIDs: 5}); err == nil {
		t.Error("Create succeeds although the kernel refuses the limit")
	}
	if _, err := os.Stat(filepath.Join(k.top, playedPrefix, "a")); !os.IsNotExist(err) {
		t.Error("the group is left")
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

// A group whose processes do not end, whatever is done to them, does not keep the others from being removed.
func TestPlayedSweepGoesOn(t *testing.T) {
	t.Parallel()
	stuck := exec.Command("sleep", "300") // not in the group, which only Kill finds out
	if err := stuck.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stuck.Process.Kill()
		_ = stuck.Wait()
	})
	k := newKernel(t, all, "/")
	earlier := k.open("/")
	for n := range 10 {
		if _, err := earlier.Create(fmt.Sprint("left", n), sandbox.Limits{}); err != nil {
			t.Fatal(err)
		}
	}
	group := filepath.Join(playedPrefix, "left5")
	k.put(group, "cgroup.procs", strconv.Itoa(stuck.Process.Pid))
	m := k.open("/")
	if n, err := m.Sweep(bounded(t)); n != 9 || err == nil || !strings.Contains(err.Error(), "left5") {
		t.Errorf("Sweep = %d, %v, want 9 and an error about left5", n, err)
	}
	if left, _ := filepath.Glob(filepath.Join(k.top, playedPrefix, "left*")); len(left) != 1 {
		t.Errorf("left = %q", left)
	}
	k.put(group, "cgroup.procs", "")
	if n, err := m.Sweep(bounded(t)); n != 1 || err != nil {
		t.Errorf("Sweep = %d, %v, want 1, nil", n, err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}
