package image_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/image"
)

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	shared := t.TempDir()
	if err := os.Chmod(shared, 0o777); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		cfg  image.Config
	}{
		{"no directory", image.Config{}},
		{"a file", image.Config{Dir: file}},
		{"a directory others write to", image.Config{Dir: shared}},
		{"a negative limit", image.Config{Dir: t.TempDir(), MaxBytes: -1}},
		{"a negative image", image.Config{Dir: t.TempDir(), MaxImageBytes: -1}},
		{"a negative number of files", image.Config{Dir: t.TempDir(), MaxFiles: -1}},
		{"a negative stall", image.Config{Dir: t.TempDir(), Stall: -1}},
		{"half a platform", image.Config{Dir: t.TempDir(), Platform: "linux"}},
		{"too much of a platform", image.Config{Dir: t.TempDir(), Platform: "a/b/c/d"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if s, err := image.Open(tt.cfg); err == nil {
				_ = s.Close()
				t.Error("opened")
			}
		})
	}
}

// What an earlier process left behind, complete, not complete, damaged, or not the store's.
func TestReopen(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	dir := filepath.Join(t.TempDir(), "images")
	s := open(t, image.Config{Dir: dir})
	good := h.push(t, "good", simple(t, "one"))
	lost := h.push(t, "lost", simple(t, "two"))
	empty := h.push(t, "empty", simple(t, "three"))
	for _, name := range []string{"good", "lost", "empty"} {
		get(t, s, reference(t, h.location(name))).Release()
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(filepath.Join(dir, "partial-123", "root", "etc"), 0o700))
	must(os.WriteFile(filepath.Join(dir, "partial-file"), nil, 0o600))
	must(os.MkdirAll(filepath.Join(dir, "mine"), 0o700))
	must(os.Remove(filepath.Join(dir, lost, "image.json")))
	must(os.Truncate(filepath.Join(dir, empty, "root", "etc", "content"), 0))

	s = open(t, image.Config{Dir: dir})
	wantStored(t, dir, good, empty, "mine", "partial-file")
	before := h.blobs.Load()
	get(t, s, reference(t, h.location("good"), good))
	if got := h.blobs.Load() - before; got != 0 {
		t.Errorf("blobs = %d, want 0", got)
	}
	for _, ref := range []image.Reference{reference(t, h.location("empty"), empty), reference(t, h.location("lost"))} {
		m := get(t, s, ref)
		if got := tree(t, m.Root())["etc/content"]; got == "" {
			t.Errorf("%s is damaged", ref)
		}
	}
	wantStored(t, dir, good, empty, lost, "mine", "partial-file")
}

func TestEviction(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	dir := filepath.Join(t.TempDir(), "images")
	digests := make(map[string]string)
	for _, name := range []string{"a", "b", "c"} {
		digests[name] = h.push(t, name, simple(t, name))
	}
	ref := func(name string) image.Reference { return reference(t, h.location(name), digests[name]) }
	const each = 2 * 4096 // etc and content
	s := open(t, image.Config{Dir: dir, MaxBytes: 2 * each})
	get(t, s, ref("a")).Release()
	held := get(t, s, ref("b"))
	get(t, s, ref("a")).Release() // b is the least recently used now, but held
	get(t, s, ref("c")).Release()
	eventually(t, "a is evicted", func() bool { return len(list(t, dir)) == 2 })
	wantStored(t, dir, digests["b"], digests["c"])
	held.Release()
	wantTree(t, held, map[string]string{"etc": "/", "etc/content": "b"}) // the limit is kept
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(dir, digests["c"]), long, long); err != nil {
		t.Fatal(err)
	}
	s = open(t, image.Config{Dir: dir, MaxBytes: each})
	wantStored(t, dir, digests["b"], digests["c"])
	// The sandbox of an earlier process still has c as its root.
	inUse := s.Hold(digests["c"])
	if inUse == nil || s.Hold(digests["a"]) != nil {
		t.Error("Hold knows other images than there are")
	}
	s.Evict()
	eventually(t, "b is evicted", func() bool { return len(list(t, dir)) == 1 })
	wantStored(t, dir, digests["c"])
	wantTree(t, inUse, map[string]string{"etc": "/", "etc/content": "c"})
	inUse.Release()
}

// Somebody has removed the directory of an image that the store knows.
func TestVanishedImageIsBroughtAgain(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	dir := filepath.Join(t.TempDir(), "images")
	s := open(t, image.Config{Dir: dir})
	ref := reference(t, h.location("app"), h.push(t, "app", simple(t, "one")))
	get(t, s, ref).Release()
	if err := os.RemoveAll(filepath.Join(dir, ref.Digest)); err != nil {
		t.Fatal(err)
	}
	wantTree(t, get(t, s, ref), map[string]string{"etc": "/", "etc/content": "one"})
	wantStored(t, dir, ref.Digest)
}
