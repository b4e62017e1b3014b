package fetch_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/nex-engine/nex/internal/preflight/fetch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const content = "the kernel\n"

func digest(b string) string {
	sum := sha256.Sum256([]byte(b))
	return hex.EncodeToString(sum[:])
}

func write(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// source is a file with that content on this machine.
func source(t *testing.T, content string) fetch.Source {
	t.Helper()
	return fetch.Source{URL: write(t, filepath.Join(t.TempDir(), "source"), content), SHA256: digest(content), Setting: "kernel"}
}

// target is a file in a directory of its own.
func target(t *testing.T) fetch.Target {
	t.Helper()
	return fetch.Target{
		What: "kernel", Path: filepath.Join(t.TempDir(), "vmlinux"), Mode: 0o644, DirMode: 0o755, MaxBytes: 1 << 20, Setting: "kernel_filepath",
	}
}

// wantFile fails unless the target holds the content, alone in its directory.
func wantFile(t *testing.T, to fetch.Target, content string) {
	t.Helper()
	got, err := os.ReadFile(to.Path)
	if err != nil || string(got) != content {
		t.Errorf("%s holds %q, %v; want %q", to.Path, got, err, content)
	}
	if names := list(t, filepath.Dir(to.Path)); !slices.Equal(names, []string{filepath.Base(to.Path)}) {
		t.Errorf("the directory has %q, want the file alone", names)
	}
}

// refused fails unless getting it fails with a sentence that has all the parts, and leaves nothing.
func refused(t *testing.T, c fetch.Config, s fetch.Source, to fetch.Target, parts ...string) error {
	t.Helper()
	before := list(t, filepath.Dir(to.Path))
	err := c.Get(t.Context(), s, to)
	if err == nil {
		t.Fatalf("it was got, want an error with %q", parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error = %v, want %q in it", err, part)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error = %q, want a sentence", err)
	}
	if after := list(t, filepath.Dir(to.Path)); !slices.Equal(before, after) {
		t.Errorf("the directory had %q, and has %q", before, after)
	}
	return err
}

func list(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestGetFile(t *testing.T) {
	t.Parallel()
	s := source(t, content)
	path := s.URL
	for _, url := range []string{path, "file://" + path, "file://localhost" + path} {
		to := target(t)
		to.Path = filepath.Join(filepath.Dir(to.Path), "a", "b", "vmlinux")
		s.URL = url
		s.SHA256 = strings.ToUpper(digest(content))
		if err := (fetch.Config{}).Get(t.Context(), s, to); err != nil {
			t.Fatalf("%s: %v", url, err)
		}
		wantFile(t, to, content)
		info, err := os.Stat(to.Path)
		if err != nil || info.Mode().Perm() != 0o644 {
			t.Errorf("mode = %v, %v; want -rw-r--r--", info.Mode(), err)
		}
	}
}

func TestGetFileFails(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(s *fetch.Source, to *fetch.Target)
		want   []string
	}{
		{"no file", func(s *fetch.Source, _ *fetch.Target) { s.URL += "x" }, []string{"sourcex cannot be read", "no such file", "change kernel.url"}},
		{"folder", func(s *fetch.Source, _ *fetch.Target) { s.URL = filepath.Dir(s.URL) }, []string{"it is no file"}},
		{"device", func(s *fetch.Source, _ *fetch.Target) { s.URL = "/dev/zero" }, []string{"it is no file"}},
		{"no address", func(s *fetch.Source, _ *fetch.Target) { s.URL = "ftp://a/b" }, []string{"kernel.url cannot be read"}},
		{"other digest", func(s *fetch.Source, _ *fetch.Target) { s.SHA256 = digest("x") }, []string{"has sha256 " + digest(content) + " and not " + digest("x"), "kernel.sha256"}},
		{"no digest", func(s *fetch.Source, _ *fetch.Target) { s.SHA256 = "" }, []string{"none of it is kept"}},
		{"too large", func(_ *fetch.Source, to *fetch.Target) { to.MaxBytes = int64(len(content)) - 1 }, []string{"larger than the 1 KiB that a kernel may have", "change kernel.url"}},
		{"not what it should be", func(_ *fetch.Source, to *fetch.Target) {
			to.Check = func(string) error { return errors.New("it is no kernel") }
		}, []string{"what was got as the kernel is not used: it is no kernel"}},
		{"below a file", func(s *fetch.Source, to *fetch.Target) { to.Path = filepath.Join(s.URL, "vmlinux") }, []string{"cannot be written to", "not a directory", "choose another place with kernel_filepath"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, to := source(t, content), target(t)
			tt.change(&s, &to)
			if filepath.Dir(to.Path) == s.URL {
				if err := (fetch.Config{}).Get(t.Context(), s, to); err == nil || !strings.Contains(err.Error(), tt.want[0]) || !strings.Contains(err.Error(), tt.want[2]) {
					t.Errorf("error = %v, want %q", err, tt.want)
				}
				return
			}
			refused(t, fetch.Config{}, s, to, tt.want...)
		})
	}
}

func TestExactlyMaxBytes(t *testing.T) {
	t.Parallel()
	to := target(t)
	to.MaxBytes = int64(len(content))
	if err := (fetch.Config{}).Get(t.Context(), source(t, content), to); err != nil {
		t.Fatal(err)
	}
	wantFile(t, to, content)
}

func TestNothingIsReplacedUnasked(t *testing.T) {
	t.Parallel()
	s, to := source(t, content), target(t)
	write(t, to.Path, "mine")
	if err := refused(t, fetch.Config{}, s, to, "is left as it is"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error = %v, want fs.ErrExist", err)
	}
	wantFile(t, to, "mine")

	// Also if it came while it was got.
	if err := os.Remove(to.Path); err != nil {
		t.Fatal(err)
	}
	to.Check = func(string) error { return os.WriteFile(to.Path, []byte("mine"), 0o600) }
	if err := (fetch.Config{}).Get(t.Context(), s, to); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error = %v, want fs.ErrExist", err)
	}
	wantFile(t, to, "mine")

	to.Replace, to.Check = true, nil
	if err := (fetch.Config{}).Get(t.Context(), s, to); err != nil {
		t.Fatal(err)
	}
	wantFile(t, to, content)
}

// A failure leaves what was to be replaced.
func TestDamagedStaysIfNothingIsGot(t *testing.T) {
	t.Parallel()
	s, to := source(t, content), target(t)
	to.Replace = true
	write(t, to.Path, "damaged")
	s.SHA256 = digest("x")
	refused(t, fetch.Config{}, s, to, "none of it is kept")
	wantFile(t, to, "damaged")
}

func TestLinksAreNotReplaced(t *testing.T) {
	t.Parallel()
	s, to := source(t, content), target(t)
	to.Replace = true
	if err := os.Symlink("absent", to.Path); err != nil {
		t.Fatal(err)
	}
	refused(t, fetch.Config{}, s, to, "is no file, and not replaced: remove it")
}

func TestEnded(t *testing.T) {
	t.Parallel()
	s, to := source(t, content), target(t)
	why := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	c := fetch.Config{Progress: func(int64, int64) { cancel(why) }}
	for range 2 { // while it comes, and before
		if err := c.Get(ctx, s, to); !errors.Is(err, why) {
			t.Errorf("error = %v, want the cause", err)
		}
		if names := list(t, filepath.Dir(to.Path)); len(names) > 0 {
			t.Errorf("left: %q", names)
		}
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	const size = 500_000
	big := strings.Repeat("x", size)
	var last int64
	c := fetch.Config{Progress: func(done, total int64) {
		if done <= last || total != size {
			t.Errorf("progress %d of %d after %d, want more of %d", done, total, last, size)
		}
		last = done
	}}
	if err := c.Get(t.Context(), source(t, big), target(t)); err != nil || last != size {
		t.Errorf("%v after %d bytes, want %d", err, last, size)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
