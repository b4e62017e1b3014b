package preflight_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/preflight"
)

func TestPrograms(t *testing.T) {
	t.Parallel()
	echo := "echo " + nex.Version
	tests := []struct{ name, script, do string }{
		{"same version", echo, ""},
		{"more than a version", echo + "; echo more", ""},
		{"endless output", echo + "; head -c 100000 /dev/zero", ""},
		{"other version", "echo 0.0.1", `its version is "0.0.1"`},
		{"says nothing", "true", `its version is ""`},
		{"fails", echo + "; exit 3", "exit status 3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := writeScript(t, "nex-agent", tt.script)
			g := preflight.Programs(t.Context(), []string{dir})
			got := finding{"nex-agent", tt.do, false}.check(t, g)
			if want := filepath.Join(dir, "nex-agent"); got.Path != want {
				t.Errorf("path = %q, want %q", got.Path, want)
			}
		})
	}
}

func TestProgramsForAnotherMachine(t *testing.T) {
	t.Parallel()
	dir := writeProgram(t, "nex-agent", "\x7fELF")
	finding{"nex-agent", "exec format error", false}.check(t, preflight.Programs(t.Context(), []string{dir}))
}

func TestProgramsMissing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	g := preflight.Programs(t.Context(), []string{dir})
	finding{"nex-agent", dir, false}.check(t, g)
	if want := []string{dir}; !slices.Equal(g.Dirs, want) {
		t.Errorf("dirs = %q, want %q", g.Dirs, want)
	}
}

func TestProgramsNotExecutable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := write(t, filepath.Join(dir, "nex-agent"), "#!/bin/sh\n")
	got := finding{"nex-agent", "chmod +x " + path, false}.check(t, preflight.Programs(t.Context(), []string{t.TempDir(), dir}))
	if got.Path != path {
		t.Errorf("path = %q, want %q", got.Path, path)
	}
}

// Without a bin_path, programs are looked for beside the running one and on the PATH.
func TestProgramsOnPath(t *testing.T) {
	dir := writeScript(t, "nex-agent", "echo "+nex.Version)
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	g := preflight.Programs(t.Context(), nil)
	finding{name: "nex-agent"}.check(t, g)
	if got := fmt.Sprint(g.Dirs); !strings.HasSuffix(got, " $PATH]") {
		t.Errorf("dirs = %s, want $PATH last", got)
	}
}
