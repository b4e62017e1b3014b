package embednats_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"

	"github.com/nex-engine/nex/internal/embednats"
)

func TestOpenKeyCreatesOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := embednats.OpenKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(dir, "control.nk"); first.Path() != want {
		t.Errorf("path = %s, want %s", first.Path(), want)
	}
	info, err := os.Stat(first.Path())
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, want 0600", info.Mode().Perm())
	}
	if !nkeys.IsValidPublicUserKey(first.Public()) {
		t.Errorf("public key %q is not a user's", first.Public())
	}
	second, err := embednats.OpenKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	if first.Public() != second.Public() || first.Path() != second.Path() {
		t.Errorf("opened %s in %s, then %s in %s", first.Public(), first.Path(), second.Public(), second.Path())
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("the directory has %v, %v; want the key alone", entries, err)
	}
}

func TestOpenKeyRefusesDamaged(t *testing.T) {
	t.Parallel()
	account, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	accountSeed, err := account.Seed()
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"empty":      "",
		"nonsense":   "nonsense\n",
		"cut off":    "SUANOPE",
		"wrong kind": string(accountSeed),
		"too large":  strings.Repeat("S", 2<<10),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, embednats.KeyFile)
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := embednats.OpenKey(dir)
			if err == nil || !strings.Contains(err.Error(), path+" holds no user key seed") || !strings.Contains(err.Error(), "remove the file") {
				t.Errorf("error = %v, want one that names the file and what to do", err)
			}
			if got, readErr := os.ReadFile(path); readErr != nil || string(got) != content {
				t.Errorf("the file was changed: %q, %v", got, readErr)
			}
			if err != nil && len(content) > 20 && strings.Contains(err.Error(), content[:20]) {
				t.Error("the error shows the file's content")
			}
		})
	}
}
