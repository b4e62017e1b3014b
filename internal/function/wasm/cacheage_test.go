package wasm_test

import (
	"context"
	"maps"
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

// entriesOf are the names in a cache directory with the bytes that each has.
func entriesOf(t *testing.T, dir string) map[string]int64 {
	t.Helper()
	entries := map[string]int64{}
	for _, path := range cached(t, dir) {
		name, err := filepath.Rel(dir, path)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		entries[strings.Split(filepath.ToSlash(name), "/")[0]] += info.Size()
	}
	return entries
}

// add uses a cache and returns the name of the entry that this adds.
func add(t *testing.T, path, dir string, most int64) string {
	t.Helper()
	before := entriesOf(t, dir)
	useCacheOf(t, path, dir, most)
	for name := range entriesOf(t, dir) {
		if _, known := before[name]; !known {
			return name
		}
	}
	t.Fatal("nothing was added to the cache")
	return ""
}

// age makes an entry one that was used so long ago.
func age(t *testing.T, dir, name string, ago time.Duration) {
	t.Helper()
	at := time.Now().Add(-ago)
	if err := os.Chtimes(filepath.Join(dir, name), at, at); err != nil {
		t.Fatal(err)
	}
}

func wantEntries(t *testing.T, dir string, want ...string) {
	t.Helper()
	want = slices.Sorted(slices.Values(want))
	if got := slices.Sorted(maps.Keys(entriesOf(t, dir))); !slices.Equal(got, want) {
		t.Errorf("the cache holds %q, want %q", got, want)
	}
}

// TestCacheIsBounded: with a new module those go that were not used for longest, and no more of them
// than must.
func TestCacheIsBounded(t *testing.T) {
	dir := t.TempDir()
	var paths, names []string
	for i := range int32(3) {
		paths = append(paths, module(t, wat{code: countTo(10 + i)}))
		names = append(names, add(t, paths[i], dir, 0))
		age(t, dir, names[i], time.Duration(10-i)*time.Hour)
	}
	var three int64
	for _, size := range entriesOf(t, dir) {
		three += size
	}
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, make([]byte, three), 0o600); err != nil {
		t.Fatal(err)
	}
	useCacheOf(t, paths[0], dir, 1) // is used, and nothing is added
	wantEntries(t, dir, append(names, "other")...)
	fourth := add(t, module(t, wat{code: countTo(13)}), dir, three)
	wantEntries(t, dir, names[0], names[2], fourth, "other")

	age(t, dir, fourth, -time.Hour)
	last := add(t, module(t, wat{code: countTo(14)}), dir, 1)
	wantEntries(t, dir, last, "other")
	before, err := os.Stat(filepath.Join(dir, last))
	if err != nil {
		t.Fatal(err)
	}
	useCacheOf(t, module(t, wat{code: countTo(14)}), dir, 1)
	if after, err := os.Stat(filepath.Join(dir, last)); err != nil || !os.SameFile(before, after) {
		t.Errorf("the entry is not used: it was made anew (%v)", err)
	}
}

// TestCacheCountsDamage: what is not whole goes as the rest does.
func TestCacheCountsDamage(t *testing.T) {
	dir := t.TempDir()
	name := add(t, module(t, wat{code: countTo(10)}), dir, 0)
	if err := os.Remove(filepath.Join(dir, name, "sum")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "wasm-file"), []byte("a file for a directory"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantEntries(t, dir, add(t, module(t, wat{code: countTo(11)}), dir, 1))
}

// TestCacheIsSharedAndBounded: that one load removes what another is about to use fails neither.
func TestCacheIsSharedAndBounded(t *testing.T) {
	dir := t.TempDir()
	var paths []string
	for i := range int32(4) {
		paths = append(paths, module(t, wat{code: countTo(10 + i)}))
	}
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for j := range 8 {
				rt, err := wasm.Load(context.Background(), config(t, paths[(i+j)%len(paths)], func(c *function.Config) {
					c.CacheDir, c.CacheMaxBytes = dir, 1
				}))
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
	wantEntries(t, dir, add(t, module(t, wat{code: countTo(20)}), dir, 1))
}
