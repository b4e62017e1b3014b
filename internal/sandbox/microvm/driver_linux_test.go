package microvm_test

import (
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
	"github.com/nex-engine/nex/internal/sandbox/microvm/microvmtest"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest/plan"
	"github.com/nex-engine/nex/internal/sandboxdir"
)

func TestNewMakesNothing(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	rig.Driver(t, microvm.Config{Dir: dir, Snapshots: dir})
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
	rootfs, err := rig.Rootfs(rig.Agent(t))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(rootfs)
	if err != nil {
		t.Fatal(err)
	}
	text, empty, cut := file("text", "hello"), file("empty", ""), file("cut", string(whole[:1<<20]))
	v, err := rig.Machines()
	if err != nil {
		t.Fatal(err)
	}
	good := microvm.Config{VMM: v, Dir: dir, Kernel: microvmtest.Part("kernel"), Initrd: microvmtest.Part("initramfs"), Rootfs: rootfs}
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
	d := rig.Driver(t, microvm.Config{Dir: dir})
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
			microvmtest.Destroy(t, i)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Start = %v, want %q in it", err, want)
		}
		microvmtest.WantNothing(t, dir)
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
	d := rig.Driver(t, microvm.Config{Dir: dir, Snapshots: microvmtest.NoSnapshots})
	if _, err := d.Start(t.Context(), sandbox.Spec{ID: "agent1"}); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("Start = %v, want %v", err, unix.ENOSPC)
	}
	microvmtest.WantNothing(t, dir)
}

// A machine that does not come up is told of in a sentence, and nothing is left.
func TestStartFails(t *testing.T) {
	t.Parallel()
	broken := filepath.Join(t.TempDir(), "kernel") // like one, for as long as one looks
	if err := os.WriteFile(broken, append(make([]byte, 0x202), "HdrS\x00\x02"+strings.Repeat("\xf4", 64<<10)...), 0o600); err != nil {
		t.Fatal(err)
	}
	empty, err := rig.Rootfs(broken) // its agent is no program
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		config microvm.Config
		want   string
	}{
		"an init that does not call": {microvm.Config{StartTimeout: time.Second, Snapshots: microvmtest.NoSnapshots}, "does not call within 1s"},
		"an agent that is none":      {microvm.Config{Rootfs: empty, Snapshots: microvmtest.NoSnapshots}, "start the agent"},
		"a kernel that is none":      {microvm.Config{Kernel: broken, StartTimeout: 5 * time.Second, Snapshots: microvmtest.NoSnapshots}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.config.Dir = filepath.Join(t.TempDir(), "state")
			d := rig.Driver(t, c.config)
			i, err := d.Start(t.Context(), sandbox.Spec{ID: "agent1"})
			if err == nil {
				microvmtest.Destroy(t, i)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("Start = %v, want a sentence with %q", err, c.want)
			}
			t.Log(err)
			microvmtest.WantNothing(t, c.config.Dir)
		})
	}
}

// A machine that is killed takes its sandbox with it. Its process is nobody's that matters.
func TestCrash(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	d := rig.Driver(t, microvm.Config{Dir: dir})
	i, said := d.Begin(t, sandbox.Spec{ID: "agent1"}, plan.Text(plan.Say, "here"), plan.Do(plan.Hang))
	microvmtest.WantSaid(t, said, `said "here"`)
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
	case <-time.After(microvmtest.Patience):
		t.Fatal("the sandbox goes on")
	}
	if exit := i.Exit(); exit.Success() || exit.Code != -1 {
		t.Errorf("exit = %+v, want that it was killed", exit)
	}
	if _, err := i.Stage(t.Context(), sandbox.ForArtifact, os.Args[0]); err == nil {
		t.Error("Stage succeeds after the end")
	}
	microvmtest.Destroy(t, i)
	microvmtest.WantNothing(t, dir)
}

// A snapshot that is of no use does not keep machines from starting.
func TestSnapshotOfNoUse(t *testing.T) {
	t.Parallel()
	snapshots := filepath.Join(t.TempDir(), "snapshots")
	d := rig.Driver(t, microvm.Config{Snapshots: snapshots})
	i, said := d.Begin(t, sandbox.Spec{ID: "agent1"}, plan.Do(plan.Hang))
	microvmtest.WantSaid(t, said, "pid")
	microvmtest.Destroy(t, i)
	found, err := filepath.Glob(filepath.Join(snapshots, "snapshot-*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("snapshots: %q, %v, want one", found, err)
	}
	if err := os.WriteFile(filepath.Join(found[0], "state"), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, said = d.Begin(t, sandbox.Spec{ID: "agent2"}, plan.Do(plan.Hang))
	microvmtest.WantSaid(t, said, "pid")
	old := filepath.Join(snapshots, "snapshot-old")
	if err := os.Mkdir(old, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	microvmtest.WantNothing(t, snapshots)
}
