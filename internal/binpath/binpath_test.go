package binpath_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/binpath"
)

// program makes a file in a new folder and returns the folder.
func program(t *testing.T, name string, mode os.FileMode) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, file(name)), nil, mode); err != nil {
		t.Fatal(err)
	}
	return dir
}

func file(name string) string {
	if runtime.GOOS == "windows" {
		return name + ".exe"
	}
	return name
}

func TestFindInFolders(t *testing.T) {
	t.Parallel()
	empty, first, second := t.TempDir(), program(t, "tool", 0o755), program(t, "tool", 0o755)
	got, err := binpath.Find("tool", []string{filepath.Join(empty, "missing"), empty, first, second})
	if want := filepath.Join(first, file("tool")); err != nil || got != want {
		t.Errorf("Find = %s, %v, want %s", got, err, want)
	}
}

func TestFindPassesOverWhatIsNoProgram(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows tells programs by their names")
	}
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "tool"), 0o755); err != nil {
		t.Fatal(err)
	}
	text, real := program(t, "tool", 0o644), program(t, "tool", 0o755)
	got, err := binpath.Find("tool", []string{folder, text, real})
	if want := filepath.Join(real, "tool"); err != nil || got != want {
		t.Errorf("Find = %s, %v, want %s", got, err, want)
	}
}

func TestFindOnThePath(t *testing.T) {
	dir := program(t, "some-tool-of-this-test", 0o755)
	t.Setenv("PATH", dir)
	got, err := binpath.Find("some-tool-of-this-test", nil)
	if want := filepath.Join(dir, file("some-tool-of-this-test")); err != nil || got != want {
		t.Errorf("Find = %s, %v, want %s", got, err, want)
	}
	if got, err := binpath.Find("some-tool-of-this-test", []string{t.TempDir()}); err == nil {
		t.Errorf("Find = %s, though bin_path names another folder", got)
	}
}

func TestFindBesideTheProgram(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimSuffix(filepath.Base(self), ".exe")
	if got, err := binpath.Find(name, nil); err != nil || got != self {
		t.Errorf("Find = %s, %v, want %s", got, err, self)
	}
}

func TestFindSaysWhereItLooked(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	dir := t.TempDir()
	for name, tt := range map[string]struct {
		dirs []string
		says string
	}{
		"folders": {[]string{dir}, dir},
		"default": {nil, "$PATH"},
	} {
		_, err := binpath.Find("tool", tt.dirs)
		if err == nil || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "bin_path") {
			t.Errorf("%s: error = %v, want one that names %s and bin_path", name, err, tt.says)
		}
	}
}
