package process_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

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
