package microvm_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/microvm"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest/plan"
	"github.com/nex-engine/nex/internal/sandboxdir"
)

// testDriver makes a driver that is closed when the test ends.
func testDriver(t *testing.T, c microvm.Config) bounded {
	t.Helper()
	if c.Dir == "" {
		c.Dir = filepath.Join(t.TempDir(), "state")
	}
	d, err := newDriver(c, suiteAgent(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// suiteAgent builds the suite's agent once, as the suite does.
func suiteAgent(t *testing.T) string {
	t.Helper()
	path := part("suite-agent")
	rootfsMu.Lock()
	defer rootfsMu.Unlock()
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if err := os.Rename(sandboxtest.BuildAgent(t), path); err != nil {
		t.Fatal(err)
	}
	return path
}

// start starts an agent with a plan, and destroys it when the test ends. What it prints comes by the channel.
func (b bounded) start(t *testing.T, spec sandbox.Spec, steps ...plan.Step) (sandbox.Instance, chan string) {
	t.Helper()
	said := make(chan string, 100)
	spec.Bootstrap = plan.Plan{Steps: steps}.Encode()
	spec.Log = func(line string) { said <- line }
	i, err := b.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { destroy(t, i) })
	return i, said
}

func destroy(t *testing.T, i sandbox.Instance) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := i.Destroy(ctx); err != nil {
		t.Error(err)
	}
}

func wantSaid(t *testing.T, said chan string, want string) {
	t.Helper()
	select {
	case line := <-said:
		if !strings.HasPrefix(line, want) {
			t.Errorf("the agent says %q, want %q", line, want)
		}
	case <-time.After(patience):
		t.Fatalf("the agent says nothing, want %q", want)
	}
}

func wantNothing(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	for _, e := range entries {
		t.Errorf("left: %s", e.Name())
	}
}

func TestNewMakesNothing(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	testDriver(t, microvm.Config{Dir: dir, Snapshots: dir})
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("New has made %s", dir)
	}
}

// What no machine can be made of is refused at once, in a sentence that says what it is.
func TestNewRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	rootfs, err := rootfsOf(suiteAgent(t))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(rootfs)
	if err != nil {
		t.Fatal(err)
	}
	text, empty, cut := file("text", "hello"), file("empty", ""), file("cut", string(whole[:1<<20]))
	v, err := newVMM()
	if err != nil {
		t.Fatal(err)
	}
	good := microvm.Config{VMM: v, Dir: dir, Kernel: kernel(), Initrd: part("initramfs"), Rootfs: rootfs}
	if _, err := microvm.New(good); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*microvm.Config){
		"no program to run":         func(c *microvm.Config) { c.VMM = nil },
		"Dir is missing":            func(c *microvm.Config) { c.Dir = "" },
		"kernel_filepath":           func(c *microvm.Config) { c.Kernel = "" },
		"rootfs_filepath":           func(c *microvm.Config) { c.Rootfs = "" },
		"is no kernel":              func(c *microvm.Config) { c.Kernel = text },
		text + "/x":                 func(c *microvm.Config) { c.Kernel = text + "/x" },
		"it is no file":             func(c *microvm.Config) { c.Kernel = dir },
		"initrd " + empty:           func(c *microvm.Config) { c.Initrd = empty },
		"is no ext4":                func(c *microvm.Config) { c.Rootfs = text },
		"root file system " + empty: func(c *microvm.Config) { c.Rootfs = empty },
		"it is cut":                 func(c *microvm.Config) { c.Rootfs = cut },
		"is negative":               func(c *microvm.Config) { c.MemoryBytes = -1 },
	} {
		c := good
		change(&c)
		if _, err := microvm.New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New = %v, want %q in it", err, want)
		}
	}
	if err := microvm.Check(t.Context(), good); err != nil {
		t.Error(err)
	}
}

// What cannot be started is refused, and nothing is left of it.
func TestStartRefuses(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	d := testDriver(t, microvm.Config{Dir: dir})
	if c := d.Capabilities(); c.Network || c.Images || !c.Limits.Memory || !c.Limits.CPUs || !c.Limits.PIDs || !c.Limits.OpenFiles || !c.Limits.Disk {
		t.Errorf("Capabilities of a driver without a network = %+v", c)
	}
	limited := func(l sandbox.Limits) sandbox.Spec { return sandbox.Spec{Settings: sandbox.Settings{Limits: l}} }
	for want, spec := range map[string]sandbox.Spec{
		"network":           {Network: true},
		"image":             {Rootfs: dir},
		"bootstrap":         {Bootstrap: make([]byte, 64<<10+1)},
		"memsize_mib":       limited(sandbox.Limits{MemoryBytes: 1 << 40}),
		"limit is negative": limited(sandbox.Limits{DiskBytes: -1}),
		"for the disk":      limited(sandbox.Limits{DiskBytes: 100}),
	} {
		spec.ID = "agent1"
		i, err := d.Start(t.Context(), spec)
		if err == nil {
			destroy(t, i)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Start = %v, want %q in it", err, want)
		}
		wantNothing(t, dir)
	}
}

// A host without room for the disk says so.
func TestNoSpace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := unix.Mount("nex-test", dir, "tmpfs", 0, "size=8k"); err != nil {
		t.Skipf("a file system that is full can be mounted by root alone: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	d := testDriver(t, microvm.Config{Dir: dir, Snapshots: none})
	if _, err := d.Start(t.Context(), sandbox.Spec{ID: "agent1"}); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("Start = %v, want %v", err, unix.ENOSPC)
	}
	wantNothing(t, dir)
}

// A machine that does not come up is told of in a sentence, and nothing is left.
func TestStartFails(t *testing.T) {
	t.Parallel()
	broken := filepath.Join(t.TempDir(), "kernel") // like one, for as long as one looks
	if err := os.WriteFile(broken, append(make([]byte, 0x202), "HdrS\x00\x02"+strings.Repeat("\xf4", 64<<10)...), 0o600); err != nil {
		t.Fatal(err)
	}
	empty, err := rootfsOf(broken) // its agent is no program
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		config microvm.Config
		want   string
	}{
		"an init that does not call": {microvm.Config{StartTimeout: time.Second, Snapshots: none}, "does not call within 1s"},
		"an agent that is none":      {microvm.Config{Rootfs: empty, Snapshots: none}, "start the agent"},
		"a kernel that is none":      {microvm.Config{Kernel: broken, StartTimeout: 5 * time.Second, Snapshots: none}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.config.Dir = filepath.Join(t.TempDir(), "state")
			d := testDriver(t, c.config)
			i, err := d.Start(t.Context(), sandbox.Spec{ID: "agent1"})
			if err == nil {
				destroy(t, i)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("Start = %v, want a sentence with %q", err, c.want)
			}
			t.Log(err)
			wantNothing(t, c.config.Dir)
		})
	}
}

// A machine that is killed takes its sandbox with it. Its process is nobody's that matters.
func TestCrash(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	d := testDriver(t, microvm.Config{Dir: dir})
	i, said := d.start(t, sandbox.Spec{ID: "agent1"}, plan.Text(plan.Say, "here"), plan.Do(plan.Hang))
	wantSaid(t, said, `said "here"`)
	r, err := sandboxdir.ReadRecord(filepath.Join(dir, "agent1"))
	if err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.Process.PID))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		switch f := strings.Fields(line); f[0] {
		case "Uid:", "Gid:":
			if os.Geteuid() == 0 && (f[1] == "0" || f[2] == "0" || f[3] == "0" || f[4] == "0") {
				t.Errorf("the machine's process has %s", line)
			}
		case "CapEff:", "CapPrm:", "CapAmb:":
			if f[1] != "0000000000000000" {
				t.Errorf("the machine's process has %s", line)
			}
		case "Seccomp:", "NoNewPrivs:":
			if f[1] == "0" {
				t.Errorf("the machine's process has %s", line)
			}
		}
	}
	p, err := os.FindProcess(r.Process.PID)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-i.Done():
	case <-time.After(patience):
		t.Fatal("the sandbox goes on")
	}
	if exit := i.Exit(); exit.Success() || exit.Code != -1 {
		t.Errorf("exit = %+v, want that it was killed", exit)
	}
	if _, err := i.Stage(t.Context(), sandbox.ForArtifact, os.Args[0]); err == nil {
		t.Error("Stage succeeds after the end")
	}
	destroy(t, i)
	wantNothing(t, dir)
}

// Machines that go on from the same snapshot are not the same: they draw other random numbers.
func TestMachinesDiffer(t *testing.T) {
	t.Parallel()
	d := testDriver(t, microvm.Config{})
	tokens := map[string]bool{}
	for _, id := range []string{"one", "two", "three"} {
		dir, l := listen(t)
		d.start(t, sandbox.Spec{ID: id, LinkDir: dir}, obey)
		hello, _ := accept(t, l)
		tokens[hello.Token] = true
	}
	if len(tokens) != 3 {
		t.Errorf("three machines have drawn %v", tokens)
	}
}

// A snapshot that is of no use does not keep machines from starting.
func TestSnapshotOfNoUse(t *testing.T) {
	t.Parallel()
	snapshots := filepath.Join(t.TempDir(), "snapshots")
	d := testDriver(t, microvm.Config{Snapshots: snapshots})
	i, said := d.start(t, sandbox.Spec{ID: "agent1"}, plan.Do(plan.Hang))
	wantSaid(t, said, "pid")
	destroy(t, i)
	found, err := filepath.Glob(filepath.Join(snapshots, "snapshot-*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("snapshots: %q, %v, want one", found, err)
	}
	if err := os.WriteFile(filepath.Join(found[0], "state"), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, said = d.start(t, sandbox.Spec{ID: "agent2"}, plan.Do(plan.Hang))
	wantSaid(t, said, "pid")
	old := filepath.Join(snapshots, "snapshot-old")
	if err := os.Mkdir(old, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	wantNothing(t, snapshots)
}
