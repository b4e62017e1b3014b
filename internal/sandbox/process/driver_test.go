package process_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/proctree"
	"github.com/nex-engine/nex/internal/sandbox/process"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		config process.Config
		want   []string // parts of the error
	}{
		{"no directory", process.Config{AgentPath: os.Args[0]}, []string{"data directory"}},
		{"no agent", process.Config{Dir: dir}, []string{"bin_path"}},
		{"agent is missing", process.Config{Dir: dir, AgentPath: plain + "x"}, []string{plain + "x", "bin_path", "no such file"}},
		{"agent cannot be run", process.Config{Dir: dir, AgentPath: plain}, []string{plain, "bin_path"}},
		{"agent is a directory", process.Config{Dir: dir, AgentPath: dir}, []string{dir, "bin_path"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := process.New(c.config)
			if err == nil {
				t.Fatal("New succeeds")
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error = %q, want %q in it", err, part)
				}
			}
		})
	}
}

func TestNewMakesNothing(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	if _, err := process.New(process.Config{Dir: dir, AgentPath: os.Args[0]}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("New has made %s", dir)
	}
}

// A record may be old, damaged or forged: what it names is killed only if it is the same process.
func TestSweepTrustsNoRecord(t *testing.T) {
	t.Parallel()
	sleeper := exec.Command(os.Args[0])
	sleeper.Env = append(os.Environ(), sleeperVariable+"=1")
	in, err := sleeper.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := sleeper.Wait(); err != nil {
			t.Errorf("the process that was none of Sweep's business: %v", err)
		}
	})
	id, err := proctree.Identify(sleeper.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	whole := fmt.Sprintf(`{"id":"other","process":{"pid":%d,"start_time":%d,"boot_id":%q}}`, id.PID, id.StartTime, id.BootID)
	for _, c := range []struct{ name, record string }{
		{"start time", fmt.Sprintf(`{"id":"left","process":{"pid":%d,"start_time":%d,"boot_id":%q}}`, id.PID, id.StartTime+1, id.BootID)},
		{"boot", fmt.Sprintf(`{"id":"left","process":{"pid":%d,"start_time":%d,"boot_id":"x"}}`, id.PID, id.StartTime)},
		{"another sandbox's", whole},
		{"cut", whole[:20]},
		{"empty", ""},
		{"huge", `{"id":"left","x":"` + strings.Repeat("x", 1<<20) + `"}`},
		{"init", `{"id":"left","process":{"pid":1,"start_time":1}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			left := filepath.Join(dir, "left")
			if err := os.MkdirAll(filepath.Join(left, "work"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(left, "instance.json"), []byte(c.record), 0o600); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			d, err := process.New(process.Config{Dir: dir, AgentPath: os.Args[0], Logger: slog.New(slog.NewTextHandler(&log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			if n, err := d.Sweep(t.Context()); n != 1 || err != nil {
				t.Errorf("Sweep = %d, %v, want 1, nil", n, err)
			}
			if _, err := os.Stat(left); !os.IsNotExist(err) {
				t.Errorf("%s is still there", left)
			}
			if !id.Running() {
				t.Error("Sweep has ended a process that is not the recorded one")
			}
		})
	}
}
