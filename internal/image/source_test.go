package image_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/compression"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/image"
)

// other is an architecture that this machine does not have.
func other() string {
	if runtime.GOARCH == "arm64" {
		return "amd64"
	}
	return "arm64"
}

// multi is an index with an image for another platform, a note, and the given one.
func multi(t testing.TB, im v1.Image) v1.ImageIndex {
	t.Helper()
	foreign := build(t, func(c *v1.ConfigFile) { c.Architecture = other() }, layerOf(t, entries{"foreign", ""}.tar(t)))
	add := func(im v1.Image, os, arch string) mutate.IndexAddendum {
		return mutate.IndexAddendum{Add: im, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: os, Architecture: arch}}}
	}
	return mutate.AppendManifests(empty.Index, add(foreign, "linux", other()), add(simple(t, "note"), "unknown", "unknown"), add(im, "linux", runtime.GOARCH))
}

func writeLayout(t testing.TB, dir string, images ...v1.Image) string {
	t.Helper()
	p, err := layout.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	for _, im := range images {
		if err := p.AppendImage(im); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// pack packs a directory with tar.
func pack(t testing.TB, dir string) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.AddFS(os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return write(t, b.Bytes())
}

func write(t testing.TB, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image.tar")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// oldDockerSave writes an archive as docker once did: layers not compressed, in directories, and links
// in the place of those that are there already.
func oldDockerSave(t testing.TB, config []byte, layer []byte) string {
	t.Helper()
	manifest, err := json.Marshal([]map[string]any{{"Config": sum(config) + ".json", "RepoTags": []string{"app:v1"}, "Layers": []string{"b/layer.tar"}}})
	if err != nil {
		t.Fatal(err)
	}
	return write(t, entries{sum(config) + ".json", string(config), "a/layer.tar", string(layer), "b/layer.tar@", "../a/layer.tar", "manifest.json", string(manifest)}.tar(t))
}

// One image, from everywhere it can come from: it is the same, and what Resolve says is what Get wants.
func TestSources(t *testing.T) {
	t.Parallel()
	archive := entries{"bin/app", "program", "etc/old", "old"}.tar(t)
	lower := layerOf(t, archive)
	upper := layerOf(t, entries{"etc/.wh.old", "", "etc/new", "new"}.tar(t))
	im := build(t, nil, lower, upper)
	want := map[string]string{"bin": "/", "bin/app": "program", "etc": "/", "etc/new": "new"}
	h := newHost(t, nil)
	manifest := h.push(t, "team/app:v1", im)
	index := h.push(t, "team/multi", multi(t, im))
	dir := writeLayout(t, filepath.Join(t.TempDir(), "layout"), im)
	nested, err := layout.Write(filepath.Join(t.TempDir(), "nested"), mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: multi(t, im)}))
	if err != nil {
		t.Fatal(err)
	}
	saved := filepath.Join(t.TempDir(), "saved.tar")
	if err := tarball.WriteToFile(saved, name.MustParseReference("app:v1"), im); err != nil {
		t.Fatal(err)
	}
	rawConfig, err := im.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	id := sum(rawConfig)
	flat := build(t, nil, layerOf(t, archive))
	flatConfig, err := flat.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	zstd := build(t, nil, layerOf(t, archive, tarball.WithCompression(compression.ZStd), tarball.WithMediaType(types.OCILayerZStd)))
	plain := build(t, nil, layerOf(t, archive, tarball.WithCompression(compression.None), tarball.WithMediaType(types.OCIUncompressedLayer)))
	onlyLower := map[string]string{"bin": "/", "bin/app": "program", "etc": "/", "etc/old": "old"}
	tests := []struct {
		name, location, digest string
		also                   string // another digest that is as good
		want                   map[string]string
	}{
		{"tag", h.location("team/app:v1"), manifest, "", want},
		{"digest", h.location("team/app@sha256:" + manifest), manifest, "", want},
		{"tag and digest", h.location("team/app:whatever@sha256:" + manifest), manifest, "", want},
		{"latest, several platforms", h.location("team/multi"), manifest, index, want},
		{"digest of the index", h.location("team/multi@sha256:" + index), manifest, index, want},
		{"layout", "file://" + dir, manifest, "", want},
		{"layout with an index in it", "file://" + string(nested), manifest, index, want},
		{"packed layout", "file://" + pack(t, dir), manifest, "", want},
		{"docker save", "file://" + saved, id, "", want},
		{"old docker save", "file://" + oldDockerSave(t, flatConfig, archive), sum(flatConfig), "", onlyLower},
		{"zstd", h.location("zstd"), h.push(t, "zstd", zstd), "", onlyLower},
		{"not compressed", h.location("plain"), h.push(t, "plain", plain), "", onlyLower},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := image.Config{AllowFile: true, Dir: filepath.Join(t.TempDir(), "images")}
			digest, bytes, err := image.Resolve(t.Context(), cfg, reference(t, tt.location))
			if err != nil || digest != tt.digest || bytes <= 0 {
				t.Fatalf("resolve = %s, %d, %v; want %s", digest, bytes, err, tt.digest)
			}
			if _, err := os.Stat(cfg.Dir); err == nil {
				t.Error("resolve has made a store")
			}
			s := open(t, cfg)
			for _, d := range []string{"", tt.digest, tt.also} {
				m := get(t, s, reference(t, tt.location, d))
				wantTree(t, m, tt.want)
				if m.Digest() != tt.digest || m.Bytes() < 4*4096 || m.Bytes() > 100_000 {
					t.Errorf("digest = %s of %d bytes", m.Digest(), m.Bytes())
				}
			}
			wantStored(t, cfg.Dir, tt.digest)
		})
	}
}

func TestSignedImageIsFoundAfterItsTagHasMoved(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	signed := h.push(t, "app:v1", simple(t, "one"))
	moved := h.push(t, "app:v1", simple(t, "two"))
	s := open(t, image.Config{})
	wantTree(t, get(t, s, reference(t, h.location("app:v1"), signed)), map[string]string{"etc": "/", "etc/content": "one"})
	wantTree(t, get(t, s, reference(t, h.location("app:v1"))), map[string]string{"etc": "/", "etc/content": "two"})

	none := strings.Repeat("0", 64)
	wantCode(t, refuse(t, s, reference(t, h.location("app:v1"), none)), nex.CodeDigestMismatch, moved, none)
	wantCode(t, refuse(t, s, reference(t, h.location("app@sha256:"+moved), none)), nex.CodeDigestMismatch, moved, none)
	wantCode(t, refuse(t, s, reference(t, h.location("gone:v1"), none)), nex.CodeArtifactNotFound)
}

func TestStoredImageNeedsNoRegistry(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	digest := h.push(t, "app:v1", simple(t, "one"))
	dir := filepath.Join(t.TempDir(), "images")
	s := open(t, image.Config{Dir: dir})
	get(t, s, reference(t, h.location("app:v1"), digest)).Release()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, image.Config{Dir: dir})
	ref := reference(t, "oci://127.0.0.1:1/other", digest)
	if got, size, err := s.Resolve(t.Context(), ref); got != digest || size != 0 || err != nil {
		t.Errorf("resolve = %s, %d, %v; want %s, of which nothing is to be downloaded", got, size, err, digest)
	}
	get(t, s, ref)
}

func TestWhatIsNotThere(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	h.push(t, "app:v1", simple(t, "one"))
	lacking := filepath.Join(t.TempDir(), "lacking")
	im := simple(t, "two")
	writeLayout(t, lacking, im)
	layers, _ := im.Layers()
	d, _ := layers[0].Digest()
	if err := os.Remove(filepath.Join(lacking, "blobs", "sha256", d.Hex)); err != nil {
		t.Fatal(err)
	}
	twice := writeLayout(t, filepath.Join(t.TempDir(), "twice"), simple(t, "a"), simple(t, "b"))
	tests := []struct {
		name, location string
		code           nex.Code
		words          []string
	}{
		{"tag", h.location("app:v2"), nex.CodeArtifactNotFound, []string{"no such name"}},
		{"name", h.location("ap"), nex.CodeArtifactNotFound, []string{"no such name"}},
		{"registry", "oci://127.0.0.1:1/app", nex.CodeArtifactUnavailable, []string{"refused"}},
		{"file", "file:///no/such/file", nex.CodeArtifactNotFound, []string{"no such file"}},
		{"empty directory", "file://" + t.TempDir(), nex.CodeInvalidExecutable, []string{"index.json"}},
		{"no archive", "file://" + write(t, []byte("hello")), nex.CodeInvalidExecutable, []string{"docker save"}},
		{"other archive", "file://" + write(t, entries{"a", "b"}.tar(t)), nex.CodeInvalidExecutable, []string{"manifest.json"}},
		{"device", "file:///dev/null", nex.CodeArtifactNotFound, []string{"regular file"}},
		{"missing layer", "file://" + lacking, nex.CodeArtifactNotFound, []string{"layer sha256:" + d.Hex}},
		{"two images", "file://" + twice, nex.CodeInvalidExecutable, []string{"2 images"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "images")
			s := open(t, image.Config{Dir: dir, AllowFile: true})
			wantCode(t, refuse(t, s, reference(t, tt.location)), tt.code, tt.words...)
			wantStored(t, dir)
		})
	}
	s := open(t, image.Config{AllowFile: true})
	get(t, s, reference(t, "file://"+twice, digestOf(t, simple(t, "b"))))
}

func TestPlatforms(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	foreign := build(t, func(c *v1.ConfigFile) { c.Architecture = other() }, layerOf(t, entries{"x", ""}.tar(t)))
	windows := build(t, func(c *v1.ConfigFile) { c.OS = "windows" }, layerOf(t, entries{"x", ""}.tar(t)))
	h.push(t, "foreign", foreign)
	h.push(t, "windows", windows)
	h.push(t, "multi", multi(t, simple(t, "own")))
	h.push(t, "chart", artifact(t))
	s := open(t, image.Config{})
	wantCode(t, refuse(t, s, reference(t, h.location("foreign"))), nex.CodeInvalidExecutable, "linux/"+other(), "linux/"+runtime.GOARCH)
	wantCode(t, refuse(t, s, reference(t, h.location("windows"))), nex.CodeInvalidExecutable, "windows/")
	wantCode(t, refuse(t, s, reference(t, h.location("chart"))), nex.CodeInvalidExecutable, "no container image", "helm")

	s = open(t, image.Config{Platform: "linux/s390x"})
	wantCode(t, refuse(t, s, reference(t, h.location("multi"))), nex.CodeInvalidExecutable, "linux/s390x", "linux/amd64, linux/arm64")
	s = open(t, image.Config{Platform: "linux/" + other()})
	get(t, s, reference(t, h.location("multi")))
}

func TestFileLocationsNeedPermission(t *testing.T) {
	t.Parallel()
	dir := writeLayout(t, filepath.Join(t.TempDir(), "layout"), simple(t, "one"))
	wantCode(t, refuse(t, open(t, image.Config{}), reference(t, "file://"+dir)), nex.CodeLocationDenied)
}

func TestMalformedReferences(t *testing.T) {
	t.Parallel()
	s := open(t, image.Config{AllowFile: true})
	for _, location := range []string{
		"https://example.com/x", "nats://b/k", "oci:///app", "oci://registry", "oci://registry/", "oci://registry/App",
		"oci://registry/app:", "oci://registry/app:a b", "oci://registry/app@sha256:abc", "oci://registry/app@sha512:" + strings.Repeat("a", 128),
		"oci://registry/../app", "oci://registry/a/../../app", "oci://registry/a//b", "oci://registry//b", "oci://regis\x80try/b", "oci://registry/a:b/c", "oci://user:pass@registry/app",
		"oci://registry/app?x=1", "oci://registry/app#x", "oci:registry/app", "file://host/x", "file:x", "oci://registry/app@" + strings.Repeat("a", 64),
	} {
		err := refuse(t, s, reference(t, location))
		wantCode(t, err, nex.CodeInvalidRequest)
		if strings.Contains(err.Error(), "pass") {
			t.Errorf("%s: %v", location, err)
		}
	}
	for _, digest := range []string{"abc", strings.Repeat("A", 64), "sha256:" + strings.Repeat("a", 64), "../../" + strings.Repeat("a", 58)} {
		wantCode(t, refuse(t, s, reference(t, "oci://registry/app", digest)), nex.CodeInvalidRequest, "digest")
	}
}

// The registry wants a password. It is the only test that changes the environment.
func TestCredentials(t *testing.T) {
	var protected bool
	h := newHost(t, func(w http.ResponseWriter, r *http.Request) bool {
		user, password, _ := r.BasicAuth()
		if !protected || user == "me" && password == "secret" {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		http.Error(w, "internal words", http.StatusUnauthorized)
		return true
	})
	h.push(t, "app", simple(t, "one"))
	protected = true
	s := open(t, image.Config{})
	ref := reference(t, h.location("app"))
	err := refuse(t, s, ref)
	wantCode(t, err, nex.CodeArtifactUnavailable, "no credentials", "docker login", "DOCKER_CONFIG")
	if strings.Contains(err.Error(), "internal words") {
		t.Errorf("error %q repeats what the registry said", err)
	}
	login := func(auth string) {
		dir := t.TempDir()
		t.Setenv("DOCKER_CONFIG", dir)
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"auths":{"`+h.addr+`":{"auth":"`+auth+`"}}}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	login("bWU6d3Jvbmc=") // me:wrong
	wantCode(t, refuse(t, s, ref), nex.CodeArtifactUnavailable, "in spite of")
	login("bWU6c2VjcmV0") // me:secret
	get(t, s, ref)
}

func TestPlainHTTPIsForLoopback(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
			http.Redirect(w, r, "http://192.0.2.1"+r.URL.Path, http.StatusTemporaryRedirect)
			return true
		}
		return false
	})
	h.push(t, "app", simple(t, "one"))
	wantCode(t, refuse(t, open(t, image.Config{}), reference(t, h.location("app"))), nex.CodeArtifactUnavailable, "plain http")
}

func TestInsecureRegistries(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	h.push(t, "app", simple(t, "one"))
	for _, addr := range []string{"registry.example:5000", "10.1.2.3:5000", "registry.local"} {
		s := open(t, image.Config{InsecureRegistries: []string{"other.example:5000"}})
		s.Dial(h.addr)
		wantCode(t, refuse(t, s, reference(t, "oci://"+addr+"/app")), nex.CodeArtifactUnavailable, addr, "plain http is for loopback")

		s = open(t, image.Config{InsecureRegistries: []string{addr}})
		s.Dial(h.addr)
		get(t, s, reference(t, "oci://"+addr+"/app"))
	}
}

func TestStalledRegistry(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	t.Cleanup(func() { close(done) })
	h := newHost(t, func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/manifests/") {
			select {
			case <-done:
			case <-r.Context().Done():
			}
			return true
		}
		return false
	})
	h.push(t, "app", simple(t, "one"))
	s := open(t, image.Config{Stall: 100 * time.Millisecond})
	wantCode(t, refuse(t, s, reference(t, h.location("app"))), nex.CodeArtifactUnavailable, "nothing came")
}
