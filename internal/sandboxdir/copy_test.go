package sandboxdir_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/nex-engine/nex/internal/sandboxdir"
)

func wanted() error { return nil }

func TestCopy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	from, part, to := filepath.Join(dir, "from"), filepath.Join(dir, "part"), filepath.Join(dir, "to")
	for _, size := range []int{0, 100, 16<<20 + 1} {
		content := bytes.Repeat([]byte{'x'}, size)
		if err := os.WriteFile(from, content, 0o400); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(part, []byte("not finished"), 0o400); err != nil {
			t.Fatal(err)
		}
		if err := sandboxdir.Copy(from, part, to, 0o555, wanted); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(to); err != nil || !bytes.Equal(got, content) {
			t.Errorf("the copy has %d bytes, %v, want %d", len(got), err, size)
		}
		if info, err := os.Stat(to); err != nil || info.Mode().Perm() != 0o555 {
			t.Errorf("permissions = %v, %v, want 0555", info, err)
		}
		wantGone(t, part)
		for _, path := range []string{from, to} {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestCopyFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	from, part, to := filepath.Join(dir, "from"), filepath.Join(dir, "part"), filepath.Join(dir, "to")
	if err := os.WriteFile(from, make([]byte, 100), 0o600); err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	for _, after := range []int{0, 1, 2} { // before the first chunk, before its copy, after it
		asked := 0
		err := sandboxdir.Copy(from, part, to, 0o555, func() error {
			if asked++; asked > after {
				return enough
			}
			return nil
		})
		if !errors.Is(err, enough) {
			t.Errorf("after %d: Copy = %v, want %v", after, err, enough)
		}
		wantGone(t, part)
		wantGone(t, to)
	}
	if err := sandboxdir.Copy(filepath.Join(dir, "missing"), part, to, 0o555, wanted); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Copy of a missing file = %v, want %v", err, fs.ErrNotExist)
	}
	if err := sandboxdir.Copy(dir, part, to, 0o555, wanted); err == nil {
		t.Error("Copy of a directory succeeds")
	}
	if err := sandboxdir.Copy(from, part, filepath.Join(dir, "missing", "to"), 0o555, wanted); err == nil {
		t.Error("Copy into a directory that is missing succeeds")
	}
	wantGone(t, part)
}
