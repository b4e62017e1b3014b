package keyfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"

	"github.com/nex-engine/nex/internal/keyfile"
)

func TestKeysWork(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	account, _, err := keyfile.LoadOrCreate(filepath.Join(dir, "a"), keyfile.Account)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := account.Sign([]byte("x"))
	if err != nil || account.Verify([]byte("x"), signature) != nil {
		t.Errorf("the account key does not sign: %v", err)
	}
	curve, _, err := keyfile.LoadOrCreate(filepath.Join(dir, "x"), keyfile.Curve)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := curve.Seal([]byte("secret"), public(t, curve))
	if err != nil {
		t.Fatal(err)
	}
	if opened, err := curve.Open(sealed, public(t, curve)); err != nil || string(opened) != "secret" {
		t.Errorf("the xkey opens %q, %v", opened, err)
	}
}

func TestFilesArePrivate(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	path := filepath.Join(t.TempDir(), "keys", "key.nk")
	if _, _, err := keyfile.LoadOrCreate(path, keyfile.Account); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("mode of %s = %o, want %o", name, got, want)
		}
	}
}

func TestSeedsByHand(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key.nk")
	pair, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("\n "+string(seed)+"\r\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := keyfile.Load(path, keyfile.Account); err != nil || public(t, got) != public(t, pair) {
		t.Errorf("a seed with white space around it: %v, or another key", err)
	}
}

// A file that holds something else is never replaced: it may be the only copy of a key.
func TestOtherFilesAreLeftAlone(t *testing.T) {
	t.Parallel()
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	userSeed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"empty":       "",
		"text":        "gibberish",
		"half a seed": string(userSeed[:20]),
		"other kind":  string(userSeed),
		"public key":  public(t, user),
		"two seeds":   string(userSeed) + "\n" + string(userSeed),
		"binary":      "\x00\xff",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, kind := range []keyfile.Kind{keyfile.Account, keyfile.Curve} {
				path := filepath.Join(t.TempDir(), "key.nk")
				if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
				_, created, err := keyfile.LoadOrCreate(path, kind)
				if err == nil || created || !strings.Contains(err.Error(), path) {
					t.Errorf("created = %v, error = %v, want one that names the file", created, err)
				}
				if err != nil && content != "" && strings.Contains(err.Error(), content) {
					t.Errorf("error %q tells what is in the file", err)
				}
				if b, err := os.ReadFile(path); err != nil || string(b) != content {
					t.Errorf("the file is now %q, %v", b, err)
				}
			}
		})
	}
}

func TestLoadOrCreateFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := keyfile.Load(filepath.Join(dir, "missing"), keyfile.Account); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Load of a file that is not there: %v, want fs.ErrNotExist", err)
	}
	if _, _, err := keyfile.LoadOrCreate(dir, keyfile.Account); err == nil {
		t.Error("loaded a folder")
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := keyfile.LoadOrCreate(filepath.Join(file, "key.nk"), keyfile.Account); err == nil {
		t.Error("made a key below a file")
	}
}
