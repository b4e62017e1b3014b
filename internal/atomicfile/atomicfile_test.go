package atomicfile_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/nex-engine/nex/internal/atomicfile"
)

func TestWriteReplaces(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	for _, step := range []struct {
		content string
		mode    fs.FileMode
	}{{"first", 0o644}, {"second", 0o600}, {"", 0o640}} {
		if err := atomicfile.Write(path, []byte(step.content), step.mode); err != nil {
			t.Fatalf("write %q: %v", step.content, err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != step.content {
			t.Errorf("content = %q, %v; want %q", got, err, step.content)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if runtime.GOOS != "windows" && info.Mode().Perm() != step.mode {
			t.Errorf("mode = %v, want %v", info.Mode().Perm(), step.mode)
		}
	}
	only(t, filepath.Dir(path), "f")
}

func TestWriteFrom(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	if err := atomicfile.WriteFrom(path, strings.NewReader("first"), 0o600); err != nil {
		t.Fatal(err)
	}
	failure := errors.New("on purpose")
	half := io.MultiReader(strings.NewReader("sec"), iotest.ErrReader(failure))
	if err := atomicfile.WriteFrom(path, half, 0o600); !errors.Is(err, failure) {
		t.Errorf("error = %v, want the reader's", err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "first" {
		t.Errorf("content = %q, %v, want it as it was", got, err)
	}
	only(t, filepath.Dir(path), "f")
}

func TestWriteLeavesNothingOnFailure(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	// A directory in the way makes the rename, the last step, fail.
	path := filepath.Join(dir, "taken")
	if err := os.MkdirAll(filepath.Join(path, "child"), 0o700); err != nil {
		t.Fatal(err)
	}
	err := atomicfile.Write(path, []byte("x"), 0o600)
	if err == nil || !strings.HasPrefix(err.Error(), "write "+path+": ") {
		t.Errorf("error = %v, want one that starts with the path", err)
	}
	only(t, dir, "taken")
}

func TestWriteNeedsDirectory(t *testing.T) {
	t.Parallel()
	if err := atomicfile.Write(filepath.Join(t.TempDir(), "no", "f"), nil, 0o600); err == nil {
		t.Error("wrote into a directory that does not exist")
	}
}

func TestReadersNeverSeeAPart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	contents := []string{strings.Repeat("a", 1<<16), strings.Repeat("b", 1<<16)}
	if err := atomicfile.Write(path, []byte(contents[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	for _, c := range contents {
		writers.Go(func() {
			for range 20 {
				if err := atomicfile.Write(path, []byte(c), 0o600); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 100 {
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if s := string(got); s != contents[0] && s != contents[1] {
			t.Fatalf("read %d bytes that nobody wrote", len(got))
		}
	}
	writers.Wait()
	only(t, filepath.Dir(path), "f")
}

func only(t *testing.T, dir, name string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != name {
			t.Errorf("%s is left in the directory", e.Name())
		}
	}
}
