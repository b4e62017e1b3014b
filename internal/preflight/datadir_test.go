package preflight_test

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/nex-engine/nex/internal/datadir"
	"github.com/nex-engine/nex/internal/preflight"
	"github.com/nex-engine/nex/internal/preflight/checklist"
	"github.com/nex-engine/nex/internal/upstate"
)

func private(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func open(t *testing.T, path string) {
	t.Helper()
	d, err := datadir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
}

func TestDataDir(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		make func(t *testing.T) (path string)
		want []finding
	}{
		{"there", private, []finding{
			{name: "data-directory"},
			{name: "data-directory-free"},
			{name: "data-directory-private", optional: true},
			{name: "disk-space", optional: true},
		}},
		{"can be made", func(t *testing.T) string { return filepath.Join(private(t), "a", "b") }, []finding{
			{name: "data-directory"}, {name: "disk-space", optional: true},
		}},
		{"was used before", func(t *testing.T) string {
			dir := private(t)
			d, err := datadir.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			return dir
		}, []finding{{name: "data-directory-free"}}},
		{"is a file", func(t *testing.T) string { return write(t, filepath.Join(t.TempDir(), "f"), "") }, []finding{
			{"data-directory", "is not a directory: choose another with --data-dir", false},
		}},
		{"lies below a file", func(t *testing.T) string {
			return filepath.Join(write(t, filepath.Join(t.TempDir(), "f"), ""), "a", "b")
		}, []finding{{"data-directory", "f is not a directory", false}}},
		{"is a link to nowhere", func(t *testing.T) string {
			link := filepath.Join(t.TempDir(), "link")
			if err := os.Symlink(filepath.Join(t.TempDir(), "absent"), link); err != nil {
				t.Fatal(err)
			}
			return link
		}, []finding{{"data-directory", "cannot be looked at", false}}},
		{"others may look", func(t *testing.T) string {
			dir := t.TempDir()
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			return dir
		}, []finding{{"data-directory-private", "chmod 700", true}}},
		{"in use", func(t *testing.T) string {
			dir := private(t)
			open(t, dir)
			return dir
		}, []finding{{name: "data-directory"}, {"data-directory-free", "another nex uses it: stop it", false}}},
		{"in use by nex up", func(t *testing.T) string {
			dir := private(t)
			open(t, dir)
			if err := upstate.Write(dir, upstate.State{ControlURL: "nats://127.0.0.1:1", PID: 4711}); err != nil {
				t.Fatal(err)
			}
			return dir
		}, []finding{{"data-directory-free", "process 4711", false}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := tt.make(t)
			g := preflight.DataDir(path, "", 0)
			blocking := 0
			for _, want := range tt.want {
				if got := want.check(t, g); got.Blocks() {
					blocking++
				}
			}
			if got := checklist.Blocking([]checklist.Group{g}); got != blocking {
				t.Errorf("%d items block, want %d: %+v", got, blocking, g.Items)
			}
			if g.Dirs[0] != path {
				t.Errorf("dirs = %q, want %q", g.Dirs, path)
			}
		})
	}
}

func TestDataDirFull(t *testing.T) {
	t.Parallel()
	g := preflight.DataDir(private(t), "", math.MaxUint64)
	finding{"disk-space", "there is only", true}.check(t, g)
}

func TestDataDirIsNotMade(t *testing.T) {
	t.Parallel()
	base := private(t)
	preflight.DataDir(filepath.Join(base, "data"), filepath.Join(base, "run", "node.pid"), preflight.MinFree)
	entries, err := os.ReadDir(base)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 0 {
		t.Errorf("the check made %v", entries)
	}
}

func TestPIDFile(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		make func(t *testing.T, path string)
		do   string
	}{
		{"none yet", func(*testing.T, string) {}, ""},
		{"stale", func(t *testing.T, path string) { write(t, path, "1\n") }, ""},
		{"held", func(t *testing.T, path string) {
			held, err := datadir.HoldPID(path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = held.Close() })
		}, "another node holds it"},
		{"a folder", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "it is not a file"},
		{"below a file", func(t *testing.T, path string) {
			dir := filepath.Dir(path)
			if err := os.Remove(dir); err != nil {
				t.Fatal(err)
			}
			write(t, dir, "")
		}, "set pid_filepath"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "run")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "node.pid")
			tt.make(t, path)
			finding{"pid-file", tt.do, false}.check(t, preflight.DataDir(private(t), path, 0))
		})
	}
}
