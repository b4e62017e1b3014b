package artifact_test

import (
	"os"
	"path/filepath"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/artifact"
)

func fileLocation(path string) nex.Location {
	return nex.Location{Scheme: nex.SchemeFile, Path: filepath.ToSlash(path)}
}

func TestFile(t *testing.T) {
	t.Parallel()
	body := content("abc", 300<<10)
	path := filepath.Join(t.TempDir(), "a program")
	if err := os.WriteFile(path, body, 0o755); err != nil {
		t.Fatal(err)
	}
	link := path + ".link"
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	c := open(t, artifact.Config{AllowFile: true})
	for _, p := range []string{path, link} {
		ref := artifact.Ref{Location: fileLocation(p)}
		size, err := c.Check(t.Context(), ref)
		if err != nil || size != int64(len(body)) {
			t.Errorf("check %s = %d, %v; want %d", p, size, err, len(body))
		}
		f := fetch(t, c, ref)
		wantContent(t, f, body)
		f.Release()
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the original is gone: %v", err)
	}
}

func TestFileDenied(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, book(1), 0o755); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "cache")
	c := open(t, artifact.Config{Dir: dir, AllowFile: true})
	ref := artifact.Ref{Location: fileLocation(path), Digest: digest(book(1))}
	fetch(t, c, ref).Release()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c = open(t, artifact.Config{Dir: dir}) // now not even from the cache
	_, err := c.Fetch(t.Context(), ref)
	wantCode(t, err, nex.CodeLocationDenied, "allow_file_artifacts")
	_, err = c.Check(t.Context(), ref)
	wantCode(t, err, nex.CodeLocationDenied, "allow_file_artifacts")
}

func TestFileRefusals(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, book(1), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		path  string
		limit int64
		code  nex.Code
		words string
	}{
		{"missing", filepath.Join(dir, "missing"), 0, nex.CodeArtifactNotFound, "no such file"},
		{"below a file", filepath.Join(path, "x"), 0, nex.CodeArtifactNotFound, "no such file"},
		{"a directory", dir, 0, nex.CodeArtifactNotFound, "directory"},
		{"a link to a directory", link, 0, nex.CodeArtifactNotFound, "directory"},
		{"with a NUL", path + "\x00", 0, nex.CodeArtifactUnavailable, "invalid"},
		{"too large", path, 99, nex.CodeArtifactTooLarge, nex.ErrArtifactTooLarge.Message},
	}
	cacheDir := filepath.Join(t.TempDir(), "cache")
	c := open(t, artifact.Config{Dir: cacheDir, AllowFile: true})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ref := artifact.Ref{Location: fileLocation(tt.path), MaxBytes: tt.limit}
			_, err := c.Fetch(t.Context(), ref)
			wantCode(t, err, tt.code, tt.words)
			_, err = c.Check(t.Context(), ref)
			wantCode(t, err, tt.code, tt.words)
			wantFiles(t, cacheDir)
		})
	}
}
