package compiled_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/nex-engine/nex/internal/compiled"
)

// digest is that of the nth artifact.
func digest(n int) string { return fmt.Sprintf("%064x", n) }

func open(t *testing.T, dir string, most int64) *compiled.Cache {
	t.Helper()
	c, err := compiled.Open(dir, most)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func put(t *testing.T, c *compiled.Cache, namespace string, n int, content string) {
	t.Helper()
	if err := c.Put(namespace, digest(n), strings.NewReader(content)); err != nil {
		t.Fatal(err)
	}
}

// want checks what the cache has of an artifact; empty means nothing.
func want(t *testing.T, c *compiled.Cache, namespace string, n int, content string) {
	t.Helper()
	path := c.Get(namespace, digest(n))
	if content == "" || path == "" {
		if path != content {
			t.Errorf("artifact %d of %q is at %q, want %q there", n, namespace, path, content)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != content {
		t.Errorf("of artifact %d of %q there is %.40q, %v, want %q", n, namespace, got, err, content)
	}
}

// files are the files below a directory, with their modes.
func files(t *testing.T, dir string) map[string]os.FileMode {
	t.Helper()
	found := map[string]os.FileMode{}
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		found[path] = info.Mode()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestWhatIsPutIsThere(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "not", "there")
	c := open(t, dir, 0)
	want(t, c, "one", 1, "")
	put(t, c, "one", 1, "first")
	want(t, c, "one", 1, "first")
	want(t, c, "one", 2, "")
	put(t, c, "one", 1, "second")
	want(t, c, "one", 1, "second")
	want(t, open(t, dir, 0), "one", 1, "second")
	for path, mode := range files(t, dir) {
		if runtime.GOOS != "windows" && mode != 0o600 {
			t.Errorf("%s has mode %v, want 0600", path, mode)
		}
	}
}

// What one namespace has put is not for another, whatever it is called.
func TestNamespacesAreApart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := open(t, dir, 0)
	names := []string{"one", "One", "", ".", "..", "one/two", "../one", strings.Repeat("x", 300), "a\x00b"}
	for _, n := range names {
		want(t, c, n, 1, "")
		put(t, c, n, 1, "of "+n)
	}
	for _, n := range names {
		want(t, c, n, 1, "of "+n)
	}
	if got := len(files(t, dir)); got != len(names) {
		t.Errorf("there are %d files, want %d", got, len(names))
	}
}

func TestNoDigestIsNoName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := open(t, dir, 0)
	for _, d := range []string{"", "x", "..", "../" + digest(1), digest(1)[1:], digest(1) + "0", strings.Repeat("A", 64), strings.Repeat("/", 64)} {
		if err := c.Put("one", d, strings.NewReader("code")); err == nil {
			t.Errorf("%q is taken for a digest", d)
		}
		if path := c.Get("one", d); path != "" {
			t.Errorf("%q is at %s", d, path)
		}
	}
	if got := files(t, dir); len(got) > 0 {
		t.Errorf("there are the files %v", got)
	}
}

// What breaks off is not kept, and what was there stays.
func TestHalfAFileIsNotKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := open(t, dir, 0)
	failure := errors.New("on purpose")
	half := func() io.Reader { return io.MultiReader(strings.NewReader("half"), iotest.ErrReader(failure)) }
	if err := c.Put("one", digest(1), half()); !errors.Is(err, failure) {
		t.Errorf("error = %v, want %v", err, failure)
	}
	want(t, c, "one", 1, "")
	put(t, c, "one", 1, "whole")
	if err := c.Put("one", digest(1), half()); !errors.Is(err, failure) {
		t.Errorf("error = %v, want %v", err, failure)
	}
	want(t, c, "one", 1, "whole")
	if got := files(t, dir); len(got) != 1 {
		t.Errorf("there are the files %v, want one", got)
	}
}

// age makes a file one that was used so long ago.
func age(t *testing.T, c *compiled.Cache, namespace string, n int, ago time.Duration) {
	t.Helper()
	at := time.Now().Add(-ago)
	if err := os.Chtimes(c.Get(namespace, digest(n)), at, at); err != nil {
		t.Fatal(err)
	}
}

// With a new file those go that were not used for longest, of any namespace, and no more than must.
func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := open(t, dir, 10)
	put(t, c, "one", 1, "aaaa")
	put(t, c, "two", 2, "bbb")
	put(t, c, "one", 3, "ccc")
	for n, namespace := range map[int]string{1: "one", 2: "two", 3: "one"} {
		age(t, c, namespace, n, time.Duration(10-n)*time.Hour)
	}
	want(t, c, "one", 1, "aaaa") // is used
	put(t, c, "two", 4, "d")
	want(t, c, "two", 2, "")
	want(t, c, "one", 1, "aaaa")
	want(t, c, "one", 3, "ccc")
	want(t, c, "two", 4, "d")
	put(t, c, "one", 5, "larger than all may be together")
	for n, namespace := range map[int]string{1: "one", 3: "one", 4: "two"} {
		want(t, c, namespace, n, "")
	}
	want(t, c, "one", 5, "larger than all may be together")
	want(t, open(t, dir, 10), "one", 5, "")
}

// What a process that died has left, and what another kind of cache has, is removed, and no more.
func TestOpenTidies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := open(t, dir, 0)
	put(t, c, "one", 1, "code")
	put(t, c, "two", 2, "code")
	kept := slices.Sorted(maps.Keys(files(t, dir)))
	for _, path := range []string{
		filepath.Join(filepath.Dir(kept[0]), "."+digest(1)+".123"), filepath.Join(dir, "wasm-"+digest(1), "sum"),
		filepath.Join(dir, digest(7)), filepath.Join(dir, digest(8), ".half"), filepath.Join(filepath.Dir(kept[1]), digest(9), "x"),
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("left"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open(t, dir, 0)
	if got := slices.Sorted(maps.Keys(files(t, dir))); !slices.Equal(got, kept) {
		t.Errorf("there are the files %q, want %q", got, kept)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("there are %v, %v, want two directories", left, err)
	}
}

func TestOpenFails(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := compiled.Open(file, 0); err == nil {
		t.Error("a file is opened as a cache")
	}
	// One that goes is made again.
	dir := filepath.Join(t.TempDir(), "cache")
	c := open(t, dir, 0)
	put(t, c, "one", 1, "code")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	want(t, c, "one", 1, "")
	put(t, c, "one", 1, "code")
	want(t, c, "one", 1, "code")
}

func TestCacheIsShared(t *testing.T) {
	t.Parallel()
	c := open(t, t.TempDir(), 20)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for j := range 20 {
				n := (i + j) % 5
				if err := c.Put("one", digest(n), strings.NewReader("code of "+digest(n)[63:])); err != nil {
					t.Error(err)
				}
				path := c.Get("one", digest(n))
				if path == "" {
					continue // it has gone already
				}
				if got, err := os.ReadFile(path); err == nil && string(got) != "code of "+digest(n)[63:] {
					t.Errorf("of artifact %d there is %q", n, got)
				}
			}
		})
	}
	group.Wait()
}
