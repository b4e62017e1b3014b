package image_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/image"
)

// noise is n bytes that no compression makes smaller, always the same.
func noise(n int) string {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b)
	return string(b)
}

func compressed(t testing.TB, l v1.Layer) []byte {
	t.Helper()
	r, err := l.Compressed()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func zip(t testing.TB, parts ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	for _, p := range parts {
		if _, err := w.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Layers from strangers, through all of the store: each is refused with nothing left, or harmless. The
// unpacker's own tests have more of them.
func TestMaliciousLayers(t *testing.T) {
	t.Parallel()
	canary := filepath.Join(t.TempDir(), "canary")
	if err := os.WriteFile(canary, []byte("untouched"), 0o644); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Dir(canary)
	up := strings.Repeat("../", 20)
	tests := []struct {
		name   string
		layers []entries
		code   nex.Code // "": harmless
	}{
		{"zip slip", []entries{{up + canary, "bad"}}, nex.CodeInvalidExecutable},
		{"absolute name", []entries{{canary, "inside"}}, ""},
		{"symlink slip", []entries{{"a@", outside}, {"a/canary", "bad", "a/new", "bad"}}, ""},
		{"symlink slip in one layer", []entries{{"a@", outside, "a/canary", "bad"}}, ""},
		{"relative symlink slip", []entries{{"a@", up + outside, "a/canary", "bad"}}, ""},
		{"hard-link slip", []entries{{"a=", canary, "a", "bad"}}, nex.CodeInvalidExecutable},
		{"hard-link slip with dots", []entries{{"a=", up + canary}, {"a", "bad"}}, nex.CodeInvalidExecutable},
		{"hard-link slip through a symlink", []entries{{"l@", outside, "a=", "l/canary"}, {"a", "bad"}}, nex.CodeInvalidExecutable},
		{"whiteout slip", []entries{{"l@", outside}, {"l/.wh.canary", "", "l/.wh..wh..opq", ""}}, ""},
		{"whiteout slip with dots", []entries{{"x/.wh...", ""}}, nex.CodeInvalidExecutable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var layers []v1.Layer
			for _, e := range tt.layers {
				layers = append(layers, layerOf(t, e.tar(t)))
			}
			im := build(t, nil, layers...)
			dir := filepath.Join(t.TempDir(), "images")
			s := open(t, image.Config{Dir: dir, AllowFile: true})
			ref := reference(t, "file://"+writeLayout(t, filepath.Join(t.TempDir(), "layout"), im))
			if tt.code == "" {
				get(t, s, ref)
				wantStored(t, dir, digestOf(t, im))
			} else {
				wantCode(t, refuse(t, s, ref), tt.code, "layer")
				wantStored(t, dir)
			}
			if b, err := os.ReadFile(canary); err != nil || string(b) != "untouched" {
				t.Errorf("the canary is %q, %v", b, err)
			}
			if got := list(t, outside); len(got) != 1 {
				t.Errorf("outside there is %v", got)
			}
		})
	}
}

// Mount points are part of an image from the beginning: it has the same size when it is looked at again.
func TestMountPoints(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	digest := h.push(t, "app", build(t, nil, layerOf(t, entries{"etc/hosts", "mine", "etc/resolv.conf@", "../run/names"}.tar(t))))
	bad := h.push(t, "bad", build(t, nil, layerOf(t, entries{"etc/hosts/file", "x"}.tar(t))))
	cfg := image.Config{Dir: filepath.Join(t.TempDir(), "images"), MountPoints: []string{"/.own/", "/etc/hosts", "/etc/resolv.conf"}}
	s := open(t, cfg)
	m := get(t, s, reference(t, h.location("app"), digest))
	wantTree(t, m, map[string]string{
		".own": "/", "etc": "/", "etc/hosts": "mine", "etc/resolv.conf": "→ ../run/names", "run": "/", "run/names": "",
	})
	wantCode(t, refuse(t, s, reference(t, h.location("bad"), bad)), nex.CodeInvalidExecutable, "mount point", "etc/hosts")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	get(t, open(t, cfg), reference(t, "oci://127.0.0.1:1/app", digest))
}

func TestLimits(t *testing.T) {
	t.Parallel()
	zeros := make([]byte, 1<<20)
	bomb := make([][]byte, 0, 64)
	bomb = append(bomb, entries{"a", "b"}.tar(t))
	for range 63 {
		bomb = append(bomb, zeros)
	}
	many := entries{}
	for i := range 50 {
		many = append(many, strings.Repeat("x", i+1), "")
	}
	tests := []struct {
		name  string
		layer v1.Layer
		words string
	}{
		{"decompression bomb", static.NewLayer(zip(t, bomb...), types.OCILayer), "larger than 1000000 bytes"},
		{"large file", layerOf(t, entries{"a", string(make([]byte, 1_000_001))}.tar(t)), "larger than 1000000 bytes"},
		{"large layer", layerOf(t, entries{"a", noise(1_500_000)}.tar(t)), "1000000 are allowed"},
		{"many files", layerOf(t, many.tar(t)), "more than 40 files"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "images")
			s := open(t, image.Config{Dir: dir, AllowFile: true, MaxImageBytes: 1_000_000, MaxFiles: 40})
			ref := reference(t, "file://"+writeLayout(t, filepath.Join(t.TempDir(), "layout"), build(t, nil, tt.layer)))
			wantCode(t, refuse(t, s, ref), nex.CodeArtifactTooLarge, tt.words)
			wantStored(t, dir)
		})
	}
}

// What is stored under a digest is not what the digest says.
func TestDamage(t *testing.T) {
	t.Parallel()
	archive := entries{"etc/content", noise(100_000)}.tar(t)
	good := layerOf(t, archive)
	im := build(t, nil, good)
	blob := func(change func([]byte) []byte) func(*testing.T) string {
		return func(t *testing.T) string {
			dir := writeLayout(t, filepath.Join(t.TempDir(), "layout"), im)
			d, _ := good.Digest()
			path := filepath.Join(dir, "blobs", "sha256", d.Hex)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, change(b), 0o600); err != nil {
				t.Fatal(err)
			}
			return "file://" + dir
		}
	}
	serve := func(answer func(w http.ResponseWriter, body []byte)) func(*testing.T) string {
		return func(t *testing.T) string {
			d, _ := good.Digest()
			h := newHost(t, func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, d.String()) {
					return false
				}
				answer(w, compressed(t, good))
				return true
			})
			h.push(t, "app", im)
			return h.location("app")
		}
	}
	tests := []struct {
		name string
		at   func(t *testing.T) string
		code nex.Code
		word string
	}{
		{"another archive", blob(func(b []byte) []byte {
			other := zip(t, entries{"etc/content", "bad"}.tar(t))
			return append(other, make([]byte, len(b)-len(other))...)
		}), nex.CodeDigestMismatch, "layer 1"},
		{"a bit", blob(func(b []byte) []byte { b[len(b)/2] ^= 1; return b }), nex.CodeDigestMismatch, "layer 1"},
		{"cut", blob(func(b []byte) []byte { return b[:len(b)-10] }), nex.CodeArtifactUnavailable, "broke off"},
		{"a bit on the way", serve(func(w http.ResponseWriter, b []byte) {
			b[len(b)/2] ^= 1
			_, _ = w.Write(b)
		}), nex.CodeDigestMismatch, "layer 1"},
		{"cut on the way", serve(func(w http.ResponseWriter, b []byte) {
			_, _ = w.Write(b[:len(b)/2])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}), nex.CodeArtifactUnavailable, "broke off"},
		{"wrong diff id", func(t *testing.T) string {
			lie := build(t, func(c *v1.ConfigFile) { c.RootFS.DiffIDs[0].Hex = strings.Repeat("0", 64) }, good)
			return "file://" + writeLayout(t, filepath.Join(t.TempDir(), "layout"), lie)
		}, nex.CodeDigestMismatch, "diff id"},
		{"too few diff ids", func(t *testing.T) string {
			lie := build(t, func(c *v1.ConfigFile) { c.RootFS.DiffIDs = nil }, good)
			return "file://" + writeLayout(t, filepath.Join(t.TempDir(), "layout"), lie)
		}, nex.CodeInvalidExecutable, "layers"},
		{"no archive", func(t *testing.T) string {
			l := static.NewLayer([]byte("hello"), types.OCIUncompressedLayer)
			return "file://" + writeLayout(t, filepath.Join(t.TempDir(), "layout"), build(t, nil, l))
		}, nex.CodeInvalidExecutable, "tar"},
		{"no gzip in spite of its beginning", func(t *testing.T) string {
			l := static.NewLayer([]byte("\x1f\x8bhello, this is not gzip"), types.OCILayer)
			return "file://" + writeLayout(t, filepath.Join(t.TempDir(), "layout"), build(t, nil, l))
		}, nex.CodeInvalidExecutable, "gzip"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "images")
			s := open(t, image.Config{Dir: dir, AllowFile: true})
			wantCode(t, refuse(t, s, reference(t, tt.at(t))), tt.code, tt.word)
			wantStored(t, dir)
		})
	}
}
