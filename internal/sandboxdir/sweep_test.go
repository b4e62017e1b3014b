package sandboxdir_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/proctree"
	"github.com/nex-engine/nex/internal/sandboxdir"
)

const (
	// With this variable the test binary is a process that ends with its standard input.
	sleeperVariable = "NEX_SANDBOXDIR_TEST_SLEEPER"
	// marker is what the processes of sandboxes have.
	marker = "NEX_SANDBOXDIR_TEST_ID"
)

func TestMain(m *testing.M) {
	if os.Getenv(sleeperVariable) != "" {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// sleep starts a process that has this besides in its environment, and returns who it is and how it ends.
func sleep(t *testing.T, environment ...string) (proctree.Identity, func() error) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), sleeperVariable+"=1"), environment...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	end := func() error {
		_ = in.Close() // Wait can have closed it
		return <-ended
	}
	id, err := proctree.Identify(cmd.Process.Pid)
	if err != nil {
		_ = end()
		t.Fatal(err)
	}
	return id, end
}

func TestSweep(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	if n, err := sandboxdir.Sweep(t.Context(), dir, marker, nil, slog.New(slog.DiscardHandler)); n != 0 || err != nil {
		t.Errorf("Sweep of nothing = %d, %v, want 0, nil", n, err)
	}
	first, firstEnd := sleep(t)
	second, secondEnd := sleep(t)
	_, markedEnd := sleep(t, marker+"=unrecorded")
	stranger, strangerEnd := sleep(t, marker+"=other")
	recorded, unrecorded := makeDir(t, dir, "recorded"), makeDir(t, dir, "unrecorded")
	if err := sandboxdir.WriteRecord(recorded, sandboxdir.Record{Process: first, Others: []proctree.Identity{second}}); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(dir, "not-ours")
	if err := os.Mkdir(foreign, 0o700); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	if n, err := sandboxdir.Sweep(t.Context(), dir, marker, nil, slog.New(slog.NewTextHandler(&log, nil))); n != 2 || err != nil {
		t.Errorf("Sweep = %d, %v, want 2, nil", n, err)
	}
	for name, end := range map[string]func() error{"recorded": firstEnd, "recorded besides": secondEnd, "marked": markedEnd} {
		if end() == nil {
			t.Errorf("the process that is %s was not killed", name)
		}
	}
	if !stranger.Running() || strangerEnd() != nil {
		t.Error("a process of another sandbox was killed")
	}
	wantGone(t, recorded)
	wantGone(t, unrecorded)
	if _, err := os.Stat(foreign); err != nil {
		t.Error(err)
	}
	if log.Len() > 0 {
		t.Errorf("log = %s, want none", &log)
	}
}

// A record may be old, damaged or forged: what it names is killed only if it is the same process.
func TestSweepTrustsNoRecord(t *testing.T) {
	t.Parallel()
	id, end := sleep(t)
	t.Cleanup(func() {
		if err := end(); err != nil {
			t.Errorf("the process that was none of Sweep's business: %v", err)
		}
	})
	later, elsewhere, boss := id, id, proctree.Identity{PID: 1, StartTime: 1}
	later.StartTime++
	elsewhere.BootID += "x"
	text := func(name string, process proctree.Identity, others ...proctree.Identity) string {
		b, err := json.Marshal(sandboxdir.Record{ID: name, Process: process, Others: others})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, c := range []struct {
		name, record string
		isRecord     bool
	}{
		{"start time", text("left", later, later), true},
		{"boot", text("left", elsewhere, elsewhere), true},
		{"another sandbox's", text("other", id, id), false},
		{"cut", text("left", id)[:20], false},
		{"empty", "", false},
		{"huge", `{"id":"left","x":"` + strings.Repeat("x", 1<<20) + `"}`, false},
		{"init", text("left", boss), false},
		{"init besides", text("left", id, boss), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			left := makeDir(t, dir, "left")
			if err := os.WriteFile(filepath.Join(left, "instance.json"), []byte(c.record), 0o600); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			if n, err := sandboxdir.Sweep(t.Context(), dir, marker, nil, slog.New(slog.NewTextHandler(&log, nil))); n != 1 || err != nil {
				t.Errorf("Sweep = %d, %v, want 1, nil", n, err)
			}
			wantGone(t, left)
			if !id.Running() {
				t.Error("Sweep has ended a process that is not the recorded one")
			}
			if told := strings.Contains(log.String(), "cannot be read"); told == c.isRecord {
				t.Errorf("log = %q", &log)
			}
		})
	}
}
