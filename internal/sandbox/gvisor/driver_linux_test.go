package gvisor_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/proctree"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/gvisor"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest"
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

// A record may be old, damaged or forged: what it names is killed only if it is the same process.
func TestSweepTrustsNoRecord(t *testing.T) {
	t.Parallel()
	self, err := proctree.Identify(os.Getppid()) // which the test survives only if nothing is done to it
	if err != nil {
		t.Fatal(err)
	}
	other := self
	other.StartTime++
	text := func(id string, runsc, kernel proctree.Identity) string {
		b, err := json.Marshal(map[string]any{"id": id, "runsc": runsc, "kernel": kernel})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, c := range []struct{ name, record string }{
		{"start time", text("left", other, other)},
		{"another sandbox's", text("other", self, self)},
		{"cut", text("left", other, other)[:20]},
		{"empty", ""},
		{"huge", fmt.Sprintf(`{"id":"left","x":"%s"}`, strings.Repeat("x", 1<<20))},
		{"init", `{"id":"left","runsc":{"pid":1,"start_time":1},"kernel":{"pid":1,"start_time":1}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			left, old, foreign := filepath.Join(dir, "left"), filepath.Join(dir, "rootfs-old"), filepath.Join(dir, "not-ours")
			for _, d := range []string{filepath.Join(left, "state"), old, foreign} {
				if err := os.MkdirAll(d, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(left, "instance.json"), []byte(c.record), 0o600); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			d, err := gvisor.New(gvisor.Config{
				Runsc: os.Getenv(runscVariable), AgentPath: os.Args[0], Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil)),
			})
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
			if !self.Running() {
				t.Error("Sweep has ended a process that is not the recorded one")
			}
		})
	}
}
