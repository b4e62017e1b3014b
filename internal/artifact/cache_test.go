package artifact_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/artifact"
)

// library serves /<n> with 100 bytes that depend on n, and counts how often each is downloaded.
type library struct {
	url     string
	client  *http.Client
	fetched [10]atomic.Int32
}

func newLibrary(t *testing.T) *library {
	l := &library{}
	l.url, l.client = serve(t, func(w http.ResponseWriter, r *http.Request) {
		n := int(r.URL.Path[1] - '0')
		if r.Method == http.MethodGet {
			l.fetched[n].Add(1)
		}
		_, _ = w.Write(book(n))
	})
	return l
}

func book(n int) []byte { return content(fmt.Sprint(n), 100) }

func (l *library) ref(t *testing.T, n int) artifact.Ref {
	return artifact.Ref{Location: location(t, fmt.Sprintf("%s/%d", l.url, n)), Digest: digest(book(n))}
}

func (l *library) wantFetched(t *testing.T, n int, want int32) {
	t.Helper()
	if got := l.fetched[n].Load(); got != want {
		t.Errorf("artifact %d was downloaded %d times, want %d", n, got, want)
	}
}

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
		cfg  artifact.Config
	}{
		{"no directory", artifact.Config{}},
		{"a file", artifact.Config{Dir: file}},
		{"a directory others write to", artifact.Config{Dir: shared}},
		{"a negative limit", artifact.Config{Dir: t.TempDir(), MaxBytes: -1}},
		{"a negative stall", artifact.Config{Dir: t.TempDir(), Stall: -1}},
		{"a nil connection", artifact.Config{Dir: t.TempDir(), NATS: append(artifact.Config{}.NATS, nil)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if c, err := artifact.Open(tt.cfg); err == nil {
				_ = c.Close()
				t.Error("opened")
			}
		})
	}
}

func TestOpenMakesPrivateDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	open(t, artifact.Config{Dir: dir})
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o700 {
		t.Errorf("mode = %v, want 0700", got)
	}
}

func TestOpenRemovesPartialsOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keep := []string{digest([]byte("x")), "README", "partially"}
	for _, name := range append([]string{"partial-1", "partial-2"}, keep...) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open(t, artifact.Config{Dir: dir})
	wantFiles(t, dir, keep...)
}

func TestCacheSurvivesReopening(t *testing.T) {
	t.Parallel()
	lib := newLibrary(t)
	dir := filepath.Join(t.TempDir(), "cache")
	first := open(t, artifact.Config{Dir: dir, HTTPClient: lib.client})
	fetch(t, first, lib.ref(t, 1)).Release()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := open(t, artifact.Config{Dir: dir, HTTPClient: lib.client})
	f := fetch(t, second, lib.ref(t, 1))
	defer f.Release()
	wantContent(t, f, book(1))
	lib.wantFetched(t, 1, 1)
	info, err := os.Stat(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o400 {
		t.Errorf("mode = %v, want 0400", got)
	}
}

func TestEvictsLeastRecentlyUsed(t *testing.T) {
	t.Parallel()
	lib := newLibrary(t)
	dir := filepath.Join(t.TempDir(), "cache")
	c := open(t, artifact.Config{Dir: dir, MaxBytes: 300, HTTPClient: lib.client})
	for _, n := range []int{1, 2, 3, 1, 4} { // 2 is the oldest when 4 needs its place
		fetch(t, c, lib.ref(t, n)).Release()
	}
	wantFiles(t, dir, digest(book(1)), digest(book(3)), digest(book(4)))
	fetch(t, c, lib.ref(t, 1)).Release()
	lib.wantFetched(t, 1, 1)
	fetch(t, c, lib.ref(t, 2)).Release()
	lib.wantFetched(t, 2, 2)
}

func TestEvictionSparesFilesInUse(t *testing.T) {
	t.Parallel()
	lib := newLibrary(t)
	dir := filepath.Join(t.TempDir(), "cache")
	c := open(t, artifact.Config{Dir: dir, MaxBytes: 150, HTTPClient: lib.client})
	one := fetch(t, c, lib.ref(t, 1))
	again := fetch(t, c, lib.ref(t, 1))
	two := fetch(t, c, lib.ref(t, 2))
	wantFiles(t, dir, digest(book(1)), digest(book(2)))
	one.Release()
	one.Release() // must not count twice
	wantFiles(t, dir, digest(book(1)), digest(book(2)))
	again.Release()
	wantFiles(t, dir, digest(book(2)))
	two.Release()
	wantFiles(t, dir, digest(book(2)))
}

func TestOpenEvictsByTimeOfUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Now()
	for n := range 3 { // 0 was used last
		path := filepath.Join(dir, digest(book(n)))
		if err := os.WriteFile(path, book(n), 0o400); err != nil {
			t.Fatal(err)
		}
		used := now.Add(-time.Duration(n) * time.Hour)
		if err := os.Chtimes(path, used, used); err != nil {
			t.Fatal(err)
		}
	}
	open(t, artifact.Config{Dir: dir, MaxBytes: 200})
	wantFiles(t, dir, digest(book(0)), digest(book(1)))
}

func TestDamagedFileIsFetchedAgain(t *testing.T) {
	t.Parallel()
	damages := []struct {
		name string
		do   func(path string) error
	}{
		{"other bytes", func(path string) error { return os.WriteFile(path, book(9), 0o600) }},
		{"truncated", func(path string) error { return os.Truncate(path, 10) }},
		{"empty", func(path string) error { return os.Truncate(path, 0) }},
		{"gone", os.Remove},
		{"a link", func(path string) error {
			if err := os.Rename(path, path+".moved"); err != nil {
				return err
			}
			return os.Symlink(path+".moved", path)
		}},
	}
	for _, tt := range damages {
		t.Run("at rest/"+tt.name, func(t *testing.T) {
			t.Parallel()
			lib := newLibrary(t)
			dir := filepath.Join(t.TempDir(), "cache")
			c := open(t, artifact.Config{Dir: dir, HTTPClient: lib.client})
			f := fetch(t, c, lib.ref(t, 1))
			f.Release()
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			damage(t, f.Path, tt.do)
			c = open(t, artifact.Config{Dir: dir, HTTPClient: lib.client})
			f = fetch(t, c, lib.ref(t, 1))
			defer f.Release()
			wantContent(t, f, book(1))
			lib.wantFetched(t, 1, 2)
		})
		if tt.name == "other bytes" {
			continue // within a process the content is verified once
		}
		t.Run("in use/"+tt.name, func(t *testing.T) {
			t.Parallel()
			lib := newLibrary(t)
			c := open(t, artifact.Config{HTTPClient: lib.client})
			old := fetch(t, c, lib.ref(t, 1))
			damage(t, old.Path, tt.do)
			f := fetch(t, c, lib.ref(t, 1))
			defer f.Release()
			old.Release()
			wantContent(t, f, book(1))
			lib.wantFetched(t, 1, 2)
		})
	}
}

func damage(t *testing.T, path string, do func(string) error) {
	t.Helper()
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := do(path); err != nil {
		t.Fatal(err)
	}
}

func TestClosedCacheRefuses(t *testing.T) {
	t.Parallel()
	lib := newLibrary(t)
	c := open(t, artifact.Config{HTTPClient: lib.client, MaxBytes: 1})
	f := fetch(t, c, lib.ref(t, 1))
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := c.Fetch(t.Context(), lib.ref(t, 1))
	wantCode(t, err, nex.CodeArtifactUnavailable, "closed")
	wantContent(t, f, book(1))
	f.Release()
	wantContent(t, f, book(1)) // a closed cache does not touch its directory
}
