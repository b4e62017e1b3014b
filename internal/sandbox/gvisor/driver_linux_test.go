package gvisor_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/gvisor"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest"
	"github.com/nex-engine/nex/internal/sandboxnet"
)

func TestNewMakesNothing(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	if _, err := gvisor.New(gvisor.Config{Runsc: os.Getenv(runscVariable), AgentPath: os.Args[0], Dir: dir}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("New has made %s", dir)
	}
}

// What cannot be started is refused, and nothing is left of it.
func TestStartRefuses(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	d, err := gvisor.New(gvisor.Config{Runsc: os.Getenv(runscVariable), AgentPath: sandboxtest.BuildAgent(t), Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if c := d.Capabilities(); c.Network || c.Limits.Memory || c.Limits.Missing == "" || !c.Limits.PIDs || !c.Limits.OpenFiles || !c.Limits.Disk {
		t.Errorf("Capabilities of a driver without control groups and network = %+v", c)
	}
	taken := t.TempDir()
	if err := os.WriteFile(filepath.Join(taken, ".nex"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	limited := func(l sandbox.Limits) sandbox.Spec { return sandbox.Spec{Settings: sandbox.Settings{Limits: l}} }
	for name, spec := range map[string]sandbox.Spec{
		"network":             {Network: true},
		"missing image":       {Rootfs: filepath.Join(dir, "missing")},
		"image that is taken": {Rootfs: taken},
		"memory":              limited(sandbox.Limits{MemoryBytes: 1 << 30}),
		"negative disk":       limited(sandbox.Limits{DiskBytes: -1}),
		"negative files":      limited(sandbox.Limits{OpenFiles: -1}),
		"link":                {LinkDir: filepath.Join(dir, "missing")},
	} {
		spec.ID = "agent1"
		i, err := d.Start(t.Context(), spec)
		if err == nil {
			t.Errorf("%s: Start succeeds", name)
			_ = i.Destroy(t.Context())
		}
		if _, err := os.Stat(filepath.Join(dir, spec.ID)); !os.IsNotExist(err) {
			t.Errorf("%s: the directory of the sandbox is left", name)
		}
	}
}

// Besides the sandboxes, Sweep removes the root directories of other versions of the driver, and nothing else.
func TestSweepRemovesOldRoots(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"left", "rootfs-old", "not-ours"} {
		if err := os.MkdirAll(filepath.Join(dir, name, "state"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	d, err := gvisor.New(gvisor.Config{Runsc: os.Getenv(runscVariable), AgentPath: os.Args[0], Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := d.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("Sweep = %d, %v, want 1, nil", n, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "not-ours" {
		t.Errorf("after Sweep there are %v, %v, want what is not ours", entries, err)
	}
}

// unswept is a network that cannot remove what is left.
type unswept struct{ sandboxnet.Network }

func (unswept) Nameserver() (none netip.Addr) { return none }

func (unswept) Sweep(context.Context) (int, error) { return 0, errors.New("a network is left") }

// What cannot be removed does not keep Sweep from removing the rest.
func TestSweepGoesOn(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can make a directory that cannot be removed, by mounting something")
	}
	dir := t.TempDir()
	for _, name := range []string{"left1", "left2", "rootfs-old"} {
		if err := os.MkdirAll(filepath.Join(dir, name, "state"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	mounted := filepath.Join(dir, "left1", "state")
	if err := unix.Mount("nex-test", mounted, "tmpfs", 0, "size=4096"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(mounted, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	d, err := newDriver(gvisor.Config{AgentPath: os.Args[0], Dir: dir, Network: unswept{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	n, err := d.Sweep(t.Context())
	if n != 1 || err == nil || !strings.Contains(err.Error(), "a network is left") || !strings.Contains(err.Error(), "left1") {
		t.Errorf("Sweep = %d, %v, want 1 and what is left", n, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "left1" {
		t.Errorf("after Sweep there are %v, %v, want left1", entries, err)
	}
}
