package image_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/nex-engine/nex/internal/image"
)

// large is a layer of 100 MB in 5,000 files, half of which can be compressed.
func large(t testing.TB) []byte {
	t.Helper()
	content := []byte(noise(10_000) + string(bytes.Repeat([]byte("0123456789"), 1000)))
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := range 5000 {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprintf("usr/lib/some/dir%d/file%d", i/50, i), Mode: 0o644, Size: int64(len(content))}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write(content)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// BenchmarkGet brings an image of 100 MB from a registry on this machine into an empty store.
func BenchmarkGet(b *testing.B) {
	h := newHost(b, nil)
	digest := h.push(b, "large", build(b, nil, layerOf(b, large(b))))
	b.SetBytes(100_000_000)
	for b.Loop() {
		s := open(b, image.Config{Dir: filepath.Join(b.TempDir(), "images")})
		m, err := s.Get(b.Context(), reference(b, h.location("large"), digest))
		if err != nil {
			b.Fatal(err)
		}
		m.Release()
	}
}

// BenchmarkGetStored gets an image that is in the store.
func BenchmarkGetStored(b *testing.B) {
	h := newHost(b, nil)
	digest := h.push(b, "app", simple(b, "one"))
	s := open(b, image.Config{})
	ref := reference(b, h.location("app"), digest)
	get(b, s, ref).Release()
	b.ReportAllocs()
	for b.Loop() {
		m, err := s.Get(b.Context(), ref)
		if err != nil {
			b.Fatal(err)
		}
		m.Release()
	}
}

// BenchmarkReopen gets an image of 5,000 files from the store for the first time in a process.
func BenchmarkReopen(b *testing.B) {
	h := newHost(b, nil)
	dir := filepath.Join(b.TempDir(), "images")
	digest := h.push(b, "large", build(b, nil, layerOf(b, large(b))))
	ref := reference(b, h.location("large"), digest)
	s := open(b, image.Config{Dir: dir})
	get(b, s, ref)
	for b.Loop() {
		s := open(b, image.Config{Dir: dir})
		m, err := s.Get(b.Context(), ref)
		if err != nil {
			b.Fatal(err)
		}
		m.Release()
	}
}
