package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/config"
)

func TestLoadMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	_, err := config.Load(path)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("error = %v, want fs.ErrNotExist and the path in it", err)
	}
}

func TestLoadDirectory(t *testing.T) {
	if _, err := config.Load(t.TempDir()); err == nil {
		t.Error("a directory was loaded")
	}
}

func TestLoadNamesFileAndAllProblems(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, []byte("{\n\"machine_pool_sise\": 1,\n\"nexus\": 5}"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := config.Load(path)
	want := "the configuration file " + path + ": 2 problems:\n" +
		"  line 2: machine_pool_sise: there is no such field: did you mean machine_pool_size?\n" +
		"  line 3: nexus: expected a string, got a number"
	if err == nil || err.Error() != want {
		t.Errorf("error = %v, want %s", err, want)
	}
	problems, ok := errors.AsType[config.Problems](err)
	if !ok || len(problems) != 2 {
		t.Errorf("problems = %v", problems)
	}
	if problem, ok := errors.AsType[config.Problem](err); !ok || problem.Path != "machine_pool_sise" {
		t.Errorf("first problem = %+v", problem)
	}
}

func TestTooLarge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	fits := "{}" + strings.Repeat(" ", config.MaxBytes-2)
	for _, tt := range []struct {
		text string
		ok   bool
	}{{fits, true}, {fits + " ", false}} {
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := config.Load(path); (err == nil) != tt.ok {
			t.Errorf("%d bytes: error = %v", len(tt.text), err)
		}
	}
}

// A file of something else entirely must not fill the screen.
func TestManyProblems(t *testing.T) {
	_, err := config.Parse([]byte(`{"bin_path": [0` + strings.Repeat(", 0", 59) + `]}`))
	problems, ok := errors.AsType[config.Problems](err)
	if !ok || len(problems) != 60 || len(problems.Unwrap()) != 60 {
		t.Fatalf("%d problems, want 60", len(problems))
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 52 || lines[0] != "60 problems:" || lines[51] != "  and 10 more" {
		t.Errorf("the error has %d lines, the first %q, the last %q", len(lines), lines[0], lines[len(lines)-1])
	}
}
