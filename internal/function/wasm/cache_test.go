package wasm_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/function"
	"github.com/nex-engine/nex/internal/function/wasm"
)

// cached are the files below a cache directory.
func cached(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// code is the one file with machine code, and sum the one that tells its digest.
func code(t *testing.T, dir string) (code, sum string) {
	t.Helper()
	files := cached(t, dir)
	at := slices.IndexFunc(files, func(path string) bool { return filepath.Base(path) == "sum" })
	if len(files) != 2 || at < 0 {
		t.Fatalf("the cache has the files %q, want one of code and one with its sum", files)
	}
	return files[1-at], files[at]
}

func useCache(t *testing.T, path, dir string) { useCacheOf(t, path, dir, 0) }

// useCacheOf uses a cache that may have so many bytes.
func useCacheOf(t *testing.T, path, dir string, most int64) {
	t.Helper()
	rt := load(t, path, func(c *function.Config) { c.CacheDir, c.CacheMaxBytes = dir, most })
	if _, err := call(rt, function.Call{}); err != nil {
		t.Fatal(err)
	}
	rt.Close()
}

// TestCacheIsUsed: what is in the cache is not compiled again.
func TestCacheIsUsed(t *testing.T) {
	dir, path := t.TempDir(), module(t, wat{code: countTo(10)})
	useCache(t, path, dir)
	name, _ := code(t, dir)
	before, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	useCache(t, path, dir)
	if after, err := os.Stat(name); err != nil || !os.SameFile(before, after) {
		t.Errorf("the code was compiled anew (%v)", err)
	}
	useCache(t, module(t, wat{code: countTo(11)}), dir)
	if files := cached(t, dir); len(files) != 4 {
		t.Errorf("with another module the cache has the files %q", files)
	}
}

// TestDamagedCache: whatever has become of the files, the function runs, and the cache is whole again.
func TestDamagedCache(t *testing.T) {
	path := module(t, wat{code: countTo(10)})
	write := func(name string, change func([]byte) []byte) {
		content, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(name, change(content), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	flip := func(at int) func([]byte) []byte {
		return func(b []byte) []byte { b[(at+len(b))%len(b)] ^= 0xff; return b }
	}
	for name, damage := range map[string]func(code, sum string){
		"code is cut":   func(code, _ string) { write(code, func(b []byte) []byte { return b[:len(b)/2] }) },
		"code is empty": func(code, _ string) { write(code, func([]byte) []byte { return nil }) },
		"longer code":   func(code, _ string) { write(code, func(b []byte) []byte { return append(b, 0) }) },
		"other count":   func(code, _ string) { write(code, flip(20)) },
		"other code":    func(code, _ string) { write(code, flip(-100)) },
		"no sum":        func(_, sum string) { _ = os.Remove(sum) },
		"other sum":     func(_, sum string) { write(sum, flip(0)) },
		"no code":       func(code, _ string) { _ = os.Remove(code) },
		"one file more": func(code, _ string) { _ = os.WriteFile(code+".tmp", []byte("half"), 0o600) },
		"a file for a directory": func(_, sum string) {
			_ = os.RemoveAll(filepath.Dir(sum))
			_ = os.WriteFile(filepath.Dir(sum), nil, 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			useCache(t, path, dir)
			good, sum := code(t, dir)
			content, err := os.ReadFile(good)
			if err != nil {
				t.Fatal(err)
			}
			damage(good, sum)
			useCache(t, path, dir)
			after, _ := code(t, dir)
			if got, err := os.ReadFile(after); err != nil || string(got) != string(content) {
				t.Errorf("the cache is not whole again: %v", err)
			}
		})
	}
}

// TestNoCache: a cache that cannot be is no reason to fail.
func TestNoCache(t *testing.T) {
	path := module(t, wat{code: countTo(10)})
	useCache(t, path, file(t, []byte("a file")))
	useCache(t, path, filepath.Join(file(t, []byte("a file")), "below"))
	useCache(t, path, "/proc/self/none")
}

// TestCacheIsShared: several loads at one time do not disturb each other.
func TestCacheIsShared(t *testing.T) {
	dir, path := t.TempDir(), module(t, wat{code: countTo(10)})
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 5 {
				rt, err := wasm.Load(context.Background(), config(t, path, func(c *function.Config) { c.CacheDir = dir }))
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := call(rt, function.Call{}); err != nil {
					t.Error(err)
				}
				rt.Close()
			}
		})
	}
	group.Wait()
	code(t, dir)
}

// TestCacheLeftovers: what a process that died has left is removed, and not what one is making.
func TestCacheLeftovers(t *testing.T) {
	dir := t.TempDir()
	long := time.Now().Add(-2 * time.Hour)
	for name, changed := range map[string]time.Time{"wasm-1.new": long, "wasm-2.new": time.Now(), "other.new": long} {
		path := filepath.Join(dir, name)
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, changed, changed); err != nil {
			t.Fatal(err)
		}
	}
	useCache(t, module(t, wat{code: countTo(10)}), dir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".new") {
			names = append(names, e.Name())
		}
	}
	if want := []string{"other.new", "wasm-2.new"}; !slices.Equal(names, want) {
		t.Errorf("there are %q, want %q", names, want)
	}
}
