package sandboxdir_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/sandboxdir"
)

func TestCheckID(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"a", "Z9", strings.Repeat("x", 32)} {
		if err := sandboxdir.CheckID(id); err != nil {
			t.Error(err)
		}
	}
	for _, id := range []string{"", ".", "..", "a/b", `a\b`, "a.b", "a-b", "ä", "a\x00", strings.Repeat("x", 33)} {
		if err := sandboxdir.CheckID(id); err == nil {
			t.Errorf("id %q is accepted", id)
		}
	}
}

func TestMake(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	path := makeDir(t, dir, "agent1")
	for _, d := range []string{dir, path} {
		if info, err := os.Stat(d); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: permissions = %v, %v, want 0700", d, info, err)
		}
	}
	if _, err := sandboxdir.Make(dir, "agent1"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Make of a directory that is there = %v, want %v", err, fs.ErrExist)
	}
}

func TestRemove(t *testing.T) {
	t.Parallel()
	path := makeDir(t, t.TempDir(), "agent1")
	closed := filepath.Join(path, "a", "b")
	if err := os.MkdirAll(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{closed, filepath.Dir(closed)} {
		if err := os.Chmod(d, 0); err != nil {
			t.Fatal(err)
		}
	}
	// The superuser can remove them anyway, so look at what makes the others able to.
	sandboxdir.OpenUp(path)
	if info, err := os.Stat(closed); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("permissions = %v, %v, want 0700", info, err)
	}
	for range 2 { // the second time there is nothing
		if err := sandboxdir.Remove(path); err != nil {
			t.Error(err)
		}
		wantGone(t, path)
	}
}

func makeDir(t *testing.T, dir, id string) string {
	t.Helper()
	path, err := sandboxdir.Make(dir, id)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func wantGone(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there (%v)", path, err)
	}
}
