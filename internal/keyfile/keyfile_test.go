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

var kinds = map[string]struct {
	kind  keyfile.Kind
	valid func(string) bool
}{
	"account": {keyfile.Account, nkeys.IsValidPublicAccountKey},
	"user":    {keyfile.User, nkeys.IsValidPublicUserKey},
	"server":  {keyfile.Server, nkeys.IsValidPublicServerKey},
	"curve":   {keyfile.Curve, nkeys.IsValidPublicCurveKey},
}

func public(t *testing.T, pair nkeys.KeyPair) string {
	t.Helper()
	key, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestLoadOrCreate(t *testing.T) {
	for name, k := range kinds {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "keys", "key.nk")
			if _, err := keyfile.Load(path, k.kind); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("Load before there is a file = %v, want fs.ErrNotExist", err)
			}
			first, created, err := keyfile.LoadOrCreate(path, k.kind)
			if err != nil || !created || !k.valid(public(t, first)) {
				t.Fatalf("first = %v, %v, %v, want a new key", first, created, err)
			}
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
				t.Errorf("mode = %v, want 0600", info.Mode().Perm())
			}
			second, created, err := keyfile.LoadOrCreate(path, k.kind)
			if err != nil || created || public(t, second) != public(t, first) {
				t.Errorf("second = %v, %v, %v, want the same key", second, created, err)
			}
			for other, o := range kinds {
				if _, err := keyfile.Load(path, o.kind); (err == nil) != (other == name) {
					t.Errorf("Load of a %s key as %s = %v", name, other, err)
				}
			}
		})
	}
}

func TestDamagedFileIsLeftAlone(t *testing.T) {
	for _, content := range []string{"", "nonsense\n", "SUANOPE", strings.Repeat("S", 4096)} {
		path := filepath.Join(t.TempDir(), "key.nk")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := keyfile.LoadOrCreate(path, keyfile.User)
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("LoadOrCreate of %.10q = %v, want an error that names the file", content, err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != content {
			t.Errorf("the file was changed to %.10q, %v", got, err)
		}
	}
}

func TestLoadOrCreateAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.nk")
	keys, made := make(chan string, 16), make(chan bool, 16)
	for range cap(keys) {
		go func() {
			pair, created, err := keyfile.LoadOrCreate(path, keyfile.Account)
			key := ""
			if err == nil {
				key, err = pair.PublicKey()
			}
			if err != nil {
				t.Error(err)
			}
			keys <- key
			made <- created
		}()
	}
	first, creators := <-keys, 0
	for range cap(keys) - 1 {
		if key := <-keys; key != first {
			t.Errorf("two keys: %s and %s", first, key)
		}
	}
	for range cap(made) {
		if <-made {
			creators++
		}
	}
	if creators != 1 {
		t.Errorf("%d callers made the key, want one", creators)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte("SAABCDEF"))
	f.Add([]byte("-----BEGIN USER NKEY SEED-----\nSU\n------END USER NKEY SEED------\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "key.nk")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		for name, k := range kinds {
			pair, err := keyfile.Load(path, k.kind)
			if err == nil && !k.valid(public(t, pair)) {
				t.Errorf("Load took %q for a %s key", content, name)
			}
		}
	})
}
