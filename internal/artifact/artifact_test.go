package artifact_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/artifact"
)

// open opens a cache that is closed with the test.
func open(t *testing.T, cfg artifact.Config) *artifact.Cache {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = filepath.Join(t.TempDir(), "cache")
	}
	c, err := artifact.Open(cfg)
	if err != nil {
		t.Fatalf("open cache: %v", err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close cache: %v", err)
		}
	})
	return c
}

// serve starts an https server and returns its address.
func serve(t *testing.T, h http.HandlerFunc) (string, *http.Client) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = quiet()
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL, s.Client()
}

func location(t *testing.T, s string) nex.Location {
	t.Helper()
	l, err := nex.ParseLocation(s)
	if err != nil {
		t.Fatalf("location %s: %v", s, err)
	}
	return l
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// content is n bytes that depend on seed.
func content(seed string, n int) []byte {
	return bytes.Repeat([]byte(seed), n/len(seed)+1)[:n]
}

func fetch(t *testing.T, c *artifact.Cache, ref artifact.Ref) *artifact.File {
	t.Helper()
	f, err := c.Fetch(t.Context(), ref)
	if err != nil {
		t.Fatalf("fetch %s: %v", ref, err)
	}
	return f
}

func wantContent(t *testing.T, f *artifact.File, want []byte) {
	t.Helper()
	got, err := os.ReadFile(f.Path)
	if err != nil {
		t.Fatalf("read fetched file: %v", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("content has %d bytes with sha256 %s, want %d with %s", len(got), digest(got), len(want), digest(want))
	}
	if f.Digest != digest(want) || f.Size != int64(len(want)) || filepath.Base(f.Path) != f.Digest {
		t.Errorf("file is %s of %d bytes at %s, want %s of %d bytes", f.Digest, f.Size, f.Path, digest(want), len(want))
	}
}

func wantCode(t *testing.T, err error, code nex.Code, words ...string) {
	t.Helper()
	if got := nex.CodeOf(err); got != code {
		t.Fatalf("code = %q (%v), want %q", got, err, code)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
}

// wantFiles checks which files a directory has.
func wantFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	got := list(t, dir)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("files = %v, want %v", got, want)
	}
}

func list(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// eventually waits until cond holds.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-ctx.Done():
			t.Fatalf("never came true: %s", what)
		case <-tick.C:
		}
	}
}

// quiet is the log of a server whose complaints are expected.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
