package image_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/image"
)

// No credentials of the machine are used.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "nex-image")
	if err != nil {
		log.Fatal(err)
	}
	auth := filepath.Join(dir, "auth.json")
	if err := os.WriteFile(auth, []byte("{}"), 0o600); err != nil {
		log.Fatal(err)
	}
	_ = os.Setenv("DOCKER_CONFIG", dir)
	_ = os.Setenv("REGISTRY_AUTH_FILE", auth)
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// open opens a store that is closed with the test.
func open(t testing.TB, cfg image.Config) *image.Store {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = filepath.Join(t.TempDir(), "images")
	}
	s, err := image.Open(cfg)
	if err != nil {
		t.Fatalf("open store: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close store: %v", err)
		}
	})
	return s
}

func get(t testing.TB, s *image.Store, ref image.Reference) *image.Image {
	t.Helper()
	m, err := s.Get(t.Context(), ref)
	if err != nil {
		t.Fatalf("get %s: %v", ref, err)
	}
	t.Cleanup(m.Release)
	return m
}

func refuse(t testing.TB, s *image.Store, ref image.Reference) error {
	t.Helper()
	m, err := s.Get(t.Context(), ref)
	if err == nil {
		m.Release()
		t.Fatalf("got %s as %s", ref, m.Digest())
	}
	return err
}

func reference(t testing.TB, location string, digest ...string) image.Reference {
	t.Helper()
	u, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	ref := image.Reference{Location: nex.Location(*u)}
	if len(digest) > 0 {
		ref.Digest = digest[0]
	}
	return ref
}

func wantCode(t testing.TB, err error, code nex.Code, words ...string) {
	t.Helper()
	if got := nex.CodeOf(err); got != code {
		t.Fatalf("code = %q (%v), want %q", got, err, code)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q is of several lines", err)
	}
}

// host is a registry on loopback, with counters.
type host struct {
	addr  string
	blobs atomic.Int32 // downloads of blobs
	// before is called for each request and says whether it has answered it. It is set before the first.
	before func(w http.ResponseWriter, r *http.Request) bool
}

func newHost(t testing.TB, before func(http.ResponseWriter, *http.Request) bool) *host {
	t.Helper()
	h := &host{before: before}
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
			h.blobs.Add(1)
		}
		if h.before != nil && h.before(w, r) {
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	h.addr = strings.TrimPrefix(srv.URL, "http://")
	return h
}

func (h *host) location(rest string) string { return "oci://" + h.addr + "/" + rest }

// push puts an image or an index into the registry and returns its digest.
func (h *host) push(t testing.TB, as string, what remote.Taggable) string {
	t.Helper()
	ref, err := name.ParseReference(h.addr + "/" + as)
	if err != nil {
		t.Fatal(err)
	}
	switch what := what.(type) {
	case v1.Image:
		err = remote.Write(ref, what)
	case v1.ImageIndex:
		err = remote.WriteIndex(ref, what)
	}
	if err != nil {
		t.Fatalf("push %s: %v", as, err)
	}
	return digestOf(t, what)
}

func digestOf(t testing.TB, what remote.Taggable) string {
	t.Helper()
	raw, err := what.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	return sum(raw)
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// entries is a layer in short form: a name with its content; "name@" has the target of a symbolic link,
// "name=" that of a hard link.
type entries []string

func (e entries) tar(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(e); i += 2 {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: e[i], Mode: 0o755, Size: int64(len(e[i+1]))}
		switch {
		case strings.HasSuffix(e[i], "@"):
			h = &tar.Header{Typeflag: tar.TypeSymlink, Name: strings.TrimSuffix(e[i], "@"), Linkname: e[i+1]}
		case strings.HasSuffix(e[i], "="):
			h = &tar.Header{Typeflag: tar.TypeLink, Name: strings.TrimSuffix(e[i], "="), Linkname: e[i+1]}
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			_, _ = io.WriteString(w, e[i+1])
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func layerOf(t testing.TB, archive []byte, options ...tarball.LayerOption) v1.Layer {
	t.Helper()
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive)), nil }, options...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// build makes an image for this machine of layers, with the configuration that change makes.
func build(t testing.TB, change func(*v1.ConfigFile), layers ...v1.Layer) v1.Image {
	t.Helper()
	im, err := mutate.AppendLayers(empty.Image, layers...)
	if err != nil {
		t.Fatal(err)
	}
	c, err := im.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c = c.DeepCopy()
	c.OS, c.Architecture = "linux", runtime.GOARCH
	if change != nil {
		change(c)
	}
	if im, err = mutate.ConfigFile(im, c); err != nil {
		t.Fatal(err)
	}
	return im
}

// simple is an image with one file, named after what is in it.
func simple(t testing.TB, content string) v1.Image {
	t.Helper()
	return build(t, nil, layerOf(t, entries{"etc/content", content}.tar(t)))
}

// tree is what is in a root: for a file its content, for a link an arrow and its target, for a directory
// "/".
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	tree := make(map[string]string)
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		switch {
		case d.IsDir():
			tree[rel] = "/"
		case d.Type()&fs.ModeSymlink != 0:
			target, _ := os.Readlink(p)
			tree[rel] = "→ " + target
		default:
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			tree[rel] = string(b)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func wantTree(t testing.TB, m *image.Image, want map[string]string) {
	t.Helper()
	if got := tree(t, m.Root()); !maps.Equal(got, want) {
		t.Errorf("root = %v, want %v", got, want)
	}
}

// wantStored checks which directories a store has.
func wantStored(t testing.TB, dir string, want ...string) {
	t.Helper()
	got := list(t, dir)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("stored = %v, want %v", got, want)
	}
}

func list(t testing.TB, dir string) []string {
	t.Helper()
	found, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range found {
		names = append(names, e.Name())
	}
	return names
}

// eventually waits until cond holds.
func eventually(t testing.TB, what string, cond func() bool) {
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

// artifact is a manifest of something that is no image.
func artifact(t testing.TB) v1.Image {
	t.Helper()
	im := build(t, nil, static.NewLayer([]byte("chart"), "application/vnd.cncf.helm.chart.content.v1.tar+gzip"))
	return mutate.ConfigMediaType(im, "application/vnd.cncf.helm.config.v1+json")
}

func writeFile(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
