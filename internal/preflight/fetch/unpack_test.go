package fetch_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/preflight/fetch"
)

func compress(t testing.TB, s string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// archive is a tar archive of files, given as names and contents, after a link and a folder.
func archive(t testing.TB, files ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	headers := []tar.Header{
		{Name: "release/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "release/link", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"},
	}
	for i := 0; i < len(files); i += 2 {
		headers = append(headers, tar.Header{Name: files[i], Typeflag: tar.TypeReg, Size: int64(len(files[i+1])), Mode: 0o755})
	}
	for i, h := range headers {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write([]byte(files[2*(i-2)+1])); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestUnpack(t *testing.T) {
	t.Parallel()
	tarball := archive(t, "./release/jailer", "jail", "release/kernel", content, "release/kernel", "another")
	tests := []struct{ name, packed, member, want string }{
		{"plain", content, "", content},
		{"empty", "", "", ""},
		{"gzip", compress(t, content), "", content},
		{"gzip in parts", compress(t, content[:4]) + compress(t, content[4:]), "", content},
		{"tar", tarball, "release/kernel", content},
		{"tgz", compress(t, tarball), "release/kernel", content},
		{"a leading dot there", tarball, "release/jailer", "jail"},
		{"a leading dot here", tarball, "./release/kernel", content},
		{"gzip in a tar", archive(t, "k.gz", compress(t, content)), "k.gz", compress(t, content)}, // taken as it is
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, to := source(t, tt.packed), target(t)
			s.Member = tt.member
			if err := (fetch.Config{}).Get(t.Context(), s, to); err != nil {
				t.Fatal(err)
			}
			wantFile(t, to, tt.want)
		})
	}
}

func TestUnpackFails(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("\x00", 2<<20)
	tarball := archive(t, "release/kernel", content, "release/big", big)
	tgz := compress(t, tarball)
	packed := compress(t, content)
	tests := []struct{ name, packed, member, want string }{
		{"cut gzip", packed[:len(packed)-4], "", "cannot be unpacked (unexpected EOF)"},
		{"head of gzip", "\x1f\x8b\x08", "", "cannot be unpacked"},
		{"damaged gzip", packed[:len(packed)-5] + "x" + packed[len(packed)-4:], "", "cannot be unpacked (gzip: invalid checksum)"},
		{"bomb", compress(t, big), "", "larger than the 1 MiB that a kernel may have"},
		{"no archive", content, "a", "cannot be unpacked (unexpected EOF)"},
		{"cut archive", tarball[:1540], "release/kernel", "cannot be unpacked (unexpected EOF)"},
		{"no such member", tgz, "kernel", "has no file kernel, but release/kernel, release/big: change kernel.member"},
		{"empty archive", archive(t), "kernel", "has no file kernel, but no files at all"},
		{"many others", archive(t, "a", "", "b", "", "c", "", "d", "", "e", "", "f", "", "g", ""), "kernel", "but a, b, c, d, e, others:"},
		{"member is a link", tgz, "release/link", "has no file release/link"},
		{"member is a folder", tgz, "release", "has no file release"},
		{"large member", tgz, "release/big", "larger than the 1 MiB"},
		{"archive without member", compress(t, archive(t, "a", content)), "", "is a tar archive: name the file in it in kernel.member"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := source(t, tt.packed)
			s.Member = tt.member
			refused(t, fetch.Config{}, s, target(t), tt.want)
		})
	}
}

// Whatever is packed, it is got whole or not at all, and never more than is allowed.
func FuzzUnpack(f *testing.F) {
	f.Add([]byte(compress(f, archive(f, "a/b", content))), "a/b")
	f.Add([]byte(archive(f, "a", content)), "a")
	f.Add([]byte(compress(f, content)), "")
	f.Add([]byte(content), "x")
	f.Fuzz(func(t *testing.T, data []byte, member string) {
		s, to := source(t, string(data)), target(t)
		s.Member, to.MaxBytes = member, 4096
		to.Check = func(path string) error {
			if got := read(t, path); len(got) > 4096 {
				t.Errorf("%d bytes came out, more than are allowed", len(got))
			}
			return nil
		}
		if err := (fetch.Config{}).Get(t.Context(), s, to); err != nil {
			refused(t, fetch.Config{}, s, to)
			return
		}
		wantFile(t, to, read(t, to.Path))
	})
}
