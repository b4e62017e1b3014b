package castore_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/castore"
)

func TestPrepareDir(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	want := filepath.Join(base, "a", "b")
	for range 2 {
		if got, err := castore.PrepareDir(want); got != want || err != nil {
			t.Errorf("PrepareDir = %s, %v, want %s", got, err, want)
		}
	}
	if info, err := os.Stat(want); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("permissions = %v, %v, want 0700", info, err)
	}
	file, shared := filepath.Join(base, "file"), filepath.Join(base, "shared")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(shared, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(shared, 0o770); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, shared} {
		if _, err := castore.PrepareDir(dir); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("PrepareDir of %s = %v, want it refused", dir, err)
		}
	}
}

func TestIsDigest(t *testing.T) {
	t.Parallel()
	good := strings.Repeat("0123456789abcdef", 4)
	if !castore.IsDigest(good) {
		t.Errorf("%s is no digest", good)
	}
	for _, s := range []string{"", good[1:], good + "0", good + "\n", strings.ToUpper(good), good[:62] + "/.", good[:62] + "é"} {
		if castore.IsDigest(s) {
			t.Errorf("%q is a digest", s)
		}
	}
}
