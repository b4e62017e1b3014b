package rootfs_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/image/rootfs"
)

var roomy = rootfs.Limits{Bytes: 10 << 20, Files: 10_000}

// canary is what the file outside of the root has in it.
const canary = "untouched"

// stage is a root directory in a directory of its own, which has a canary beside the root.
type stage struct {
	t    *testing.T
	dir  string
	root *os.Root
	u    *rootfs.Unpacker
}

func newStage(t *testing.T, limits rootfs.Limits) *stage {
	t.Helper()
	s := &stage{t: t, dir: t.TempDir()}
	for _, d := range []string{"root", "outside"} {
		if err := os.Mkdir(filepath.Join(s.dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(s.dir, "outside", "canary"), []byte(canary), 0o644); err != nil {
		t.Fatal(err)
	}
	var err error
	if s.root, err = os.OpenRoot(filepath.Join(s.dir, "root")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.root.Close() })
	s.u = rootfs.NewUnpacker(s.root, limits)
	t.Cleanup(s.u.Close)
	return s
}

// checkOutside fails the test if anything beside the root is other than it was.
func checkOutside(t testing.TB, dir string) {
	t.Helper()
	got := make(map[string]string)
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if p == filepath.Join(dir, "root") {
			return fs.SkipDir
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		got[rel] = info.Mode().String()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{".": got["."], "outside": "drwxr-xr-x", "outside/canary": "-rw-r--r--"}
	if !maps.Equal(got, want) {
		t.Errorf("outside there is %v, want %v", got, want)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "outside", "canary")); err != nil || string(b) != canary {
		t.Errorf("the canary is %q, %v", b, err)
	}
}

func (s *stage) apply(layer ...*tar.Header) error {
	s.t.Helper()
	defer checkOutside(s.t, s.dir)
	return s.u.Apply(s.t.Context(), bytes.NewReader(archive(s.t, layer...)))
}

func (s *stage) mustApply(layer ...*tar.Header) {
	s.t.Helper()
	if err := s.apply(layer...); err != nil {
		s.t.Fatalf("apply: %v", err)
	}
}

// tree is what is in the root: for a file its content, for a link an arrow and its target, for a
// directory "/".
func (s *stage) tree() map[string]string {
	s.t.Helper()
	return treeOf(s.t, filepath.Join(s.dir, "root"))
}

func treeOf(t testing.TB, dir string) map[string]string {
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
		case d.Type().IsRegular():
			b, _ := os.ReadFile(p)
			tree[rel] = string(b)
		default:
			tree[rel] = d.Type().String()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func (s *stage) wantTree(want map[string]string) {
	s.t.Helper()
	if got := s.tree(); !maps.Equal(got, want) {
		s.t.Errorf("tree = %v, want %v", got, want)
	}
}

// archive makes a tar archive. The content of a file is in the PAX record of its header that is named
// below, for short tables.
func archive(t testing.TB, headers ...*tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		c := *h
		content := c.PAXRecords["content"]
		c.PAXRecords = maps.Clone(c.PAXRecords)
		delete(c.PAXRecords, "content")
		c.Size = int64(len(content))
		if err := w.WriteHeader(&c); err != nil {
			t.Fatalf("write header %q: %v", h.Name, err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func file(name, content string) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, PAXRecords: map[string]string{"content": content}}
}

func directory(name string) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755}
}

func symlink(name, target string) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}
}

func hardLink(name, target string) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: target, Mode: 0o644}
}

func special(kind byte, name string) *tar.Header {
	return &tar.Header{Typeflag: kind, Name: name, Mode: 0o666, Devmajor: 1, Devminor: 3}
}

// Each layer tries to get out. It is refused, or what it does happens inside.
func TestNothingEscapes(t *testing.T) {
	t.Parallel()
	out := func(s *stage) string { return filepath.Join(s.dir, "outside") }
	tests := []struct {
		name   string
		layers func(s *stage) [][]*tar.Header
		want   map[string]string // nil: the last layer is refused
	}{
		{"dots in a name", func(*stage) [][]*tar.Header {
			return [][]*tar.Header{{file("../outside/canary", "bad")}}
		}, nil},
		{"dots in the middle of a name", func(*stage) [][]*tar.Header {
			return [][]*tar.Header{{file("a/../../outside/canary", "bad")}}
		}, nil},
		{"directory with dots", func(*stage) [][]*tar.Header {
			return [][]*tar.Header{{directory("../outside/new")}}
		}, nil},
		{"root named by dots", func(*stage) [][]*tar.Header {
			return [][]*tar.Header{{directory("..")}}
		}, nil},
		{"absolute name", func(*stage) [][]*tar.Header {
			return [][]*tar.Header{{file("/etc/passwd", "inside")}}
		}, map[string]string{"etc": "/", "etc/passwd": "inside"}},
		{"file through an absolute link", func(s *stage) [][]*tar.Header {
			return [][]*tar.Header{{symlink("a", "/etc")}, {file("a/passwd", "inside")}}
		}, map[string]string{"a": "→ /etc", "etc": "/", "etc/passwd": "inside"}},
		{"file through a link in the same layer", func(s *stage) [][]*tar.Header {
			return [][]*tar.Header{{symlink("a", "../outside"), file("a/canary", "inside")}}
		}, map[string]string{"a": "→ ../outside", "outside": "/", "outside/canary": "inside"}},
		{"file through a chain of links", func(s *stage) [][]*tar.Header {
			return [][]*tar.Header{{symlink("a", "b"), symlink("b", "d/../../../outside"), file("a/canary", "inside")}}
		}, map[string]string{"a": "→ b", "b": "→ d/../../../outside", "d": "/", "outside": "/", "outside/canary": "inside"}},
		{"link replaces a directory that was used", func(s *stage) [][]*tar.Header {
			return [][]*tar.Header{{file("a/one", "1"), symlink("a", "../outside"), file("a/canary", "inside")}}
		}, map[string]string{"a": "→ ../outside", "outside": "/", "outside/canary": "inside"}},
		{"file over a link", func(s *stage) [][]*tar.Header {
			return [][]*tar.Header{{symlink("a", filepath.Join(out(s), "canary")), file("a", "inside")}}
		}, map[string]string{"a": "inside"}},
		{"directory over a link", func(s *stage) [][]*tar.Header {
			d := directory("a")
			d.Mode = 0o777
			return [][]*tar.Header{{symlink("a", out(s)), d, file("a/f", "inside")}}
		}, map[string]string{"a": "/", "a/f": "inside"}},
		{"link as root", func(s *stage) [][]*tar.Header {
			return [][]*tar.Header{{symlink("./", out(s))}}
		}, nil},
		{"file as root", func(s *stage) [][]*tar.Header {
			return [][]*tar.Header{{file(".", "bad")}}
		}, nil},
		{"links in a circle", func(s *stage) [][]*tar.Header {
			return [][]*tar.Header{{symlink("a", "b"), symlink("b", "a"), file("a/f", "bad")}}
		}, nil},
		{"hard link with dots", func(s *stage) [][]*tar.Header {
			return [][]*tar.Header{{hardLink("a", "../outside/canary"), file("a", "bad")}}
		}, nil},
		{"hard link to an absolute name", func(s *stage) [][]*tar.Header {
			return [][]*tar.Header{{hardLink("a", filepath.Join(out(s), "canary"))}}
		}, nil},
		{"hard link through a link", func(s *stage) [][]*tar.Header {
			return [][]*tar.Header{{symlink("l", out(s))}, {hardLink("a", "l/canary")}}
		}, nil},
		{"hard link to a link, then a file over it", func(s *stage) [][]*tar.Header {
			return [][]*tar.Header{{symlink("l", filepath.Join(out(s), "canary")), hardLink("a", "l"), file("a", "inside")}}
		}, map[string]string{"l": "→ OUT/canary", "a": "inside"}},
		{"hard link to a directory", func(s *stage) [][]*tar.Header {
			return [][]*tar.Header{{directory("d"), hardLink("a", "d")}}
		}, nil},
		{"hard link to the root", func(s *stage) [][]*tar.Header {
			return [][]*tar.Header{{hardLink("a", "/")}}
		}, nil},
		{"hard link in the place of what it leads to", func(s *stage) [][]*tar.Header {
			return [][]*tar.Header{{file("d/f", "x"), hardLink("d", "d/f")}}
		}, nil},
		{"whiteout of dots", func(s *stage) [][]*tar.Header {
			return [][]*tar.Header{{directory("d")}, {file("d/.wh...", "")}}
		}, nil},
		{"whiteout of a dot", func(s *stage) [][]*tar.Header {
			return [][]*tar.Header{{directory("d")}, {file("d/.wh..", "")}}
		}, nil},
		{"whiteout of nothing", func(s *stage) [][]*tar.Header {
			return [][]*tar.Header{{directory("d")}, {file("d/.wh.", "")}}
		}, nil},
		{"whiteout behind dots", func(s *stage) [][]*tar.Header {
			return [][]*tar.Header{{file("../outside/.wh.canary", "")}}
		}, nil},
		{"whiteout through a link", func(s *stage) [][]*tar.Header {
			return [][]*tar.Header{{symlink("l", out(s)), symlink("m", "..")}, {file("l/.wh.canary", ""), file("m/outside/.wh.canary", "")}}
		}, map[string]string{"l": "→ OUT", "m": "→ .."}},
		{"opaque through a link", func(s *stage) [][]*tar.Header {
			return [][]*tar.Header{{symlink("l", out(s)), symlink("up", ".."), symlink("d/out", out(s))}, {file("l/.wh..wh..opq", ""), file("d/.wh..wh..opq", "")}}
		}, map[string]string{"l": "→ OUT", "up": "→ ..", "d": "/"}},
		{"name below a file", func(s *stage) [][]*tar.Header {
			return [][]*tar.Header{{file("a", "x"), file("a/b", "bad")}}
		}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, roomy)
			layers := tt.layers(s)
			for _, l := range layers[:len(layers)-1] {
				s.mustApply(l...)
			}
			err := s.apply(layers[len(layers)-1]...)
			if tt.want == nil {
				if !errors.Is(err, rootfs.ErrMalformed) {
					t.Errorf("error = %v, want ErrMalformed; tree %v", err, s.tree())
				}
				return
			}
			if err != nil {
				t.Fatalf("apply: %v", err)
			}
			for name, what := range tt.want {
				tt.want[name] = strings.ReplaceAll(what, "OUT", out(s))
			}
			s.wantTree(tt.want)
		})
	}
}

func TestSpecialFilesAreLeftOut(t *testing.T) {
	t.Parallel()
	s := newStage(t, roomy)
	s.mustApply(file("dev/was", "a file"))
	s.mustApply(special(tar.TypeChar, "dev/null"), special(tar.TypeBlock, "dev/sda"), special(tar.TypeFifo, "dev/pipe"), special(tar.TypeChar, "dev/was"), file("dev/real", "x"))
	s.wantTree(map[string]string{"dev": "/", "dev/real": "x"})
	if got := s.u.Skipped(); got != 4 {
		t.Errorf("skipped = %d, want 4", got)
	}
}

func TestUnknownTypesAreRefused(t *testing.T) {
	t.Parallel()
	s := newStage(t, roomy)
	b := archive(t, file("a", ""))
	b[156] = 'Z' // the type, which is in the sum of the header
	var sum int64
	copy(b[148:156], "        ")
	for _, c := range b[:512] {
		sum += int64(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00", sum))
	if err := s.u.Apply(t.Context(), bytes.NewReader(b)); !errors.Is(err, rootfs.ErrMalformed) || !strings.Contains(err.Error(), "unknown type") {
		t.Errorf("error = %v", err)
	}
}

func TestLayersLieOnTopOfEachOther(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("long/", 30) + strings.Repeat("n", 255)
	tests := []struct {
		name   string
		layers [][]*tar.Header
		want   map[string]string
	}{
		{"file replaces file", [][]*tar.Header{{file("a", "1")}, {file("a", "2")}}, map[string]string{"a": "2"}},
		{"twice in a layer", [][]*tar.Header{{file("a", "1"), file("./a", "2"), file("/a", "3")}}, map[string]string{"a": "3"}},
		{"file replaces directory", [][]*tar.Header{{file("a/b", "1")}, {file("a", "2")}}, map[string]string{"a": "2"}},
		{"directory replaces file", [][]*tar.Header{{file("a", "1")}, {directory("a"), file("a/b", "2")}}, map[string]string{"a": "/", "a/b": "2"}},
		{"directory keeps what is in it", [][]*tar.Header{{file("a/b", "1")}, {directory("a"), file("a/c", "2")}}, map[string]string{"a": "/", "a/b": "1", "a/c": "2"}},
		{"link replaces directory", [][]*tar.Header{{file("a/b", "1")}, {symlink("a", "x")}}, map[string]string{"a": "→ x"}},
		{"merged usr", [][]*tar.Header{{symlink("bin", "usr/bin"), directory("usr/bin")}, {file("bin/sh", "1")}}, map[string]string{"bin": "→ usr/bin", "usr": "/", "usr/bin": "/", "usr/bin/sh": "1"}},
		{"hard links", [][]*tar.Header{{file("a", "1")}, {hardLink("d/b", "a"), hardLink("d/b", "/a")}}, map[string]string{"a": "1", "d": "/", "d/b": "1"}},
		{"hard link to itself", [][]*tar.Header{{file("a", "1"), hardLink("a", "a")}}, map[string]string{"a": "1"}},
		{"changed copy of a hard link", [][]*tar.Header{{file("a", "1"), hardLink("b", "a")}, {file("a", "2")}}, map[string]string{"a": "2", "b": "1"}},
		{"whiteout", [][]*tar.Header{{file("d/a", "1"), file("d/b", "2"), file("e/f/g", "3")}, {file("d/.wh.a", ""), file(".wh.e", "")}}, map[string]string{"d": "/", "d/b": "2"}},
		{"whiteout of what is not there", [][]*tar.Header{{file("a", "1")}, {file("x/y/.wh.z", ""), file(".wh.q", "")}}, map[string]string{"a": "1"}},
		{"whiteout is not for its own layer", [][]*tar.Header{{file("d/a", "1"), file("d/low", "1")}, {file("d/a", "2"), file("d/.wh.a", ""), file(".wh.d", "")}}, map[string]string{"d": "/", "d/a": "2"}},
		{"opaque before", [][]*tar.Header{{file("d/a", "1"), file("d/s/t", "1")}, {directory("d"), file("d/.wh..wh..opq", ""), file("d/b", "2")}}, map[string]string{"d": "/", "d/b": "2"}},
		{"opaque after", [][]*tar.Header{{file("d/a", "1"), file("d/s/t", "1")}, {file("d/b", "2"), file("d/s/u", "2"), file("d/.wh..wh..opq", "")}}, map[string]string{"d": "/", "d/b": "2", "d/s": "/", "d/s/u": "2"}},
		{"opaque through a link of the image", [][]*tar.Header{{file("d/a", "1"), symlink("l", "/d")}, {file("l/.wh..wh..opq", "")}}, map[string]string{"d": "/", "l": "→ /d"}},
		{"notes of a storage driver", [][]*tar.Header{{file("a", "1")}, {file(".wh..wh.aufs", ""), file(".wh..wh.plnk/x", "")}}, map[string]string{"a": "1", ".wh..wh.plnk": "/", ".wh..wh.plnk/x": ""}},
		{"a link on the way is replaced", [][]*tar.Header{{directory("p"), symlink("p/q", "."), symlink("s", "p/q"), file("s/x", "1"), symlink("s/q", "../other"), file("s/y", "2")}}, map[string]string{"p": "/", "p/q": "→ ../other", "p/x": "1", "s": "→ p/q", "other": "/", "other/y": "2"}},
		{"long names", [][]*tar.Header{{file(long, "1"), hardLink("x", long)}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, roomy)
			for _, l := range tt.layers {
				s.mustApply(l...)
			}
			if tt.want != nil {
				s.wantTree(tt.want)
			} else if got := s.tree()["x"]; got != "1" {
				t.Errorf("x = %q", got)
			}
		})
	}
}

func TestModesOwnersAndTimes(t *testing.T) {
	t.Parallel()
	s := newStage(t, roomy)
	when := time.Unix(1234567890, 0)
	mk := func(h *tar.Header, mode int64, uid, gid int) *tar.Header {
		h.Mode, h.Uid, h.Gid, h.ModTime = mode, uid, gid, when
		return h
	}
	s.mustApply(
		mk(directory("./"), 0o711, 3, 4),
		mk(file("suid", "x"), 0o6755, 0, 0),
		mk(file("locked", "x"), 0o000, 1000, 1001),
		mk(directory("tmp"), 0o1777, 0, 0),
		mk(directory("mail"), 0o2775, 0, 8),
		mk(symlink("l", "locked"), 0o777, 5, 6),
	)
	rooted := os.Geteuid() == 0
	tests := []struct {
		name     string
		mode     fs.FileMode
		uid, gid int
	}{
		{".", fs.ModeDir | 0o711, 3, 4},
		{"suid", 0o755, 0, 0},
		{"locked", 0, 1000, 1001},
		{"tmp", fs.ModeDir | fs.ModeSticky | 0o777, 0, 0},
		{"mail", fs.ModeDir | fs.ModeSetgid | 0o775, 0, 8},
		{"l", fs.ModeSymlink | 0o777, 5, 6},
	}
	for _, tt := range tests {
		info, err := s.root.Lstat(tt.name)
		if err != nil {
			t.Fatal(err)
		}
		want := tt.mode
		if !rooted && tt.name == "locked" {
			want = 0o600
		}
		if info.Mode() != want {
			t.Errorf("%s: mode = %v, want %v", tt.name, info.Mode(), want)
		}
		if uid, gid := ownerOf(info); rooted && (uid != tt.uid || gid != tt.gid) {
			t.Errorf("%s: owner = %d:%d, want %d:%d", tt.name, uid, gid, tt.uid, tt.gid)
		}
		if tt.mode.IsRegular() && !info.ModTime().Equal(when) {
			t.Errorf("%s: time = %v, want %v", tt.name, info.ModTime(), when)
		}
	}
}

func TestImpossibleHeadersAreRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		h    *tar.Header
	}{
		{"negative user", &tar.Header{Typeflag: tar.TypeReg, Name: "a", Uid: -1, Format: tar.FormatGNU}},
		{"user beyond the last", &tar.Header{Typeflag: tar.TypeReg, Name: "a", Uid: 1<<32 - 1, Format: tar.FormatGNU}},
		{"group beyond the last", &tar.Header{Typeflag: tar.TypeReg, Name: "a", Gid: 1 << 40, Format: tar.FormatGNU}},
		{"part of a name too long", file(strings.Repeat("n", 256), "")},
		{"name too long", file(strings.Repeat("n/", 2100)+"x", "")},
		{"nested too deeply", file(strings.Repeat("n/", 300)+"x", "")},
		{"link nowhere", symlink("a", "")},
		{"link too far", symlink("a", strings.Repeat("x", 5000))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if err := newStage(t, roomy).apply(tt.h); !errors.Is(err, rootfs.ErrMalformed) {
				t.Errorf("error = %v, want ErrMalformed", err)
			}
		})
	}
}

// Links can make names out of short ones that nobody could open.
func TestLinksDoNotNestDeeper(t *testing.T) {
	t.Parallel()
	s := newStage(t, roomy)
	deep := strings.Repeat("n/", 90)
	s.mustApply(directory(deep), symlink("a", deep), symlink("b", "a/"+deep))
	if err := s.apply(file("b/"+deep+"f", "")); !errors.Is(err, rootfs.ErrMalformed) {
		t.Errorf("error = %v, want ErrMalformed", err)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	var many []*tar.Header
	for i := range 20 {
		many = append(many, file(string(rune('a'+i)), ""))
	}
	sparse, err := os.ReadFile("testdata/sparse.tar") // a file of 1 MiB, of which a few bytes are there
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		limits rootfs.Limits
		layers [][]byte
		ok     bool
	}{
		{"large file", rootfs.Limits{Bytes: 5000, Files: 100}, [][]byte{archive(t, file("a", strings.Repeat("x", 6000)))}, false},
		{"just large enough", rootfs.Limits{Bytes: 10240, Files: 1}, [][]byte{archive(t, file("a", strings.Repeat("x", 6000)))}, true},
		{"two layers together", rootfs.Limits{Bytes: 12000, Files: 100}, [][]byte{archive(t, file("a", strings.Repeat("x", 4000))), archive(t, file("a", strings.Repeat("x", 6000)))}, false},
		{"many files", rootfs.Limits{Bytes: 1 << 20, Files: 19}, [][]byte{archive(t, many...)}, false},
		{"as many files as allowed", rootfs.Limits{Bytes: 1 << 20, Files: 20}, [][]byte{archive(t, many...)}, true},
		{"directories without entries", rootfs.Limits{Bytes: 1 << 20, Files: 20}, [][]byte{archive(t, file(strings.Repeat("d/", 30)+"f", ""))}, false},
		{"zeros after the archive", rootfs.Limits{Bytes: 1 << 20, Files: 20}, [][]byte{append(archive(t, file("a", "")), make([]byte, 2<<20)...)}, false},
		{"holes", rootfs.Limits{Bytes: 1 << 19, Files: 20}, [][]byte{sparse}, false},
		{"holes that are allowed", rootfs.Limits{Bytes: 2 << 20, Files: 20}, [][]byte{sparse}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, tt.limits)
			var err error
			for _, l := range tt.layers {
				if err == nil {
					err = s.u.Apply(t.Context(), bytes.NewReader(l))
				}
			}
			if tt.ok && err != nil || !tt.ok && !errors.Is(err, rootfs.ErrTooLarge) {
				t.Errorf("error = %v, want it allowed: %v", err, tt.ok)
			}
			size, err := rootfs.Measure(s.root)
			if err != nil || size.Bytes > tt.limits.Bytes+int64(tt.limits.Files)*4096 {
				t.Errorf("size = %+v, %v", size, err)
			}
		})
	}
}

func TestDamagedArchives(t *testing.T) {
	t.Parallel()
	whole := archive(t, file("a", strings.Repeat("x", 2000)), file("b", "y"))
	for _, tt := range []struct {
		name string
		b    []byte
	}{
		{"cut in a header", whole[:200]},
		{"cut in a file", whole[:1000]},
		{"noise", bytes.Repeat([]byte("noise"), 500)},
	} {
		if err := newStage(t, roomy).u.Apply(t.Context(), bytes.NewReader(tt.b)); !errors.Is(err, rootfs.ErrMalformed) {
			t.Errorf("%s: error = %v, want ErrMalformed", tt.name, err)
		}
	}
}

// failing is a reader that breaks off.
type failing struct {
	io.Reader
	err error
}

func (f failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err == io.EOF {
		err = f.err
	}
	return n, err
}

func TestReaderFails(t *testing.T) {
	t.Parallel()
	whole := archive(t, file("a", strings.Repeat("x", 2000)))
	broken := errors.New("the line is dead")
	for _, cut := range []int{0, 100, 1000, len(whole) - 100, len(whole)} {
		s := newStage(t, roomy)
		if err := s.u.Apply(t.Context(), failing{bytes.NewReader(whole[:cut]), broken}); !errors.Is(err, broken) {
			t.Errorf("cut at %d: error = %v, want the reader's", cut, err)
		}
	}
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("no more")
	cancel(cause)
	if err := newStage(t, roomy).u.Apply(ctx, bytes.NewReader(archive(t, file("a", "x")))); !errors.Is(err, cause) {
		t.Errorf("error = %v, want the cause", err)
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	s := newStage(t, roomy)
	s.mustApply(file("usr/bin/sh", ""), symlink("bin", "usr/bin"), symlink("abs", "/usr"), symlink("up", "../../.."), symlink("self", "self"), symlink("usr/rel", "../bin/sh"))
	for _, tt := range []struct{ name, want string }{
		{"", "."},
		{"/", "."},
		{"..", "."},
		{"/../../usr", "usr"},
		{"/bin/sh", "usr/bin/sh"},
		{"bin/../rel", "usr/bin/sh"},
		{"abs/bin", "usr/bin"},
		{"up/abs/bin/./sh", "usr/bin/sh"},
		{"abs/rel", "usr/bin/sh"},
	} {
		if got, err := rootfs.Resolve(s.root, tt.name); err != nil || got != tt.want {
			t.Errorf("resolve %q = %q, %v; want %q", tt.name, got, err, tt.want)
		}
	}
	if _, err := rootfs.Resolve(s.root, "/no/such"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	for _, name := range []string{"self", "bin/sh/x"} {
		if _, err := rootfs.Resolve(s.root, name); !errors.Is(err, rootfs.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMkdirAll(t *testing.T) {
	t.Parallel()
	s := newStage(t, roomy)
	s.mustApply(symlink("srv", "/var/srv"), file("f", ""))
	for _, name := range []string{"/", "/srv/app", "srv/app"} {
		if err := s.u.MkdirAll(name); err != nil {
			t.Errorf("make %s: %v", name, err)
		}
	}
	s.wantTree(map[string]string{"srv": "→ /var/srv", "f": "", "var": "/", "var/srv": "/", "var/srv/app": "/"})
	for _, name := range []string{"/f", "/f/g", "../x"} {
		if err := s.u.MkdirAll(name); !errors.Is(err, rootfs.ErrMalformed) {
			t.Errorf("make %s: %v", name, err)
		}
	}
	checkOutside(t, s.dir)
}

func TestTouch(t *testing.T) {
	t.Parallel()
	s := newStage(t, roomy)
	s.mustApply(symlink("etc/dangling", "../../run/some/file"), symlink("etc/away", "/outside/file"), file("etc/there", "x"), symlink("var", "/srv/var"))
	for _, name := range []string{"/etc/dangling", "etc/away", "/etc/there", "/var/new", "/top"} {
		if err := s.u.Touch(name); err != nil {
			t.Errorf("make %s: %v", name, err)
		}
	}
	s.wantTree(map[string]string{
		"etc": "/", "etc/dangling": "→ ../../run/some/file", "run": "/", "run/some": "/", "run/some/file": "",
		"etc/away": "→ /outside/file", "outside": "/", "outside/file": "", "etc/there": "x",
		"var": "→ /srv/var", "srv": "/", "srv/var": "/", "srv/var/new": "", "top": "",
	})
	for _, name := range []string{"/etc", "/", "/etc/there/below", "../x"} {
		if err := s.u.Touch(name); !errors.Is(err, rootfs.ErrMalformed) {
			t.Errorf("make %s: %v", name, err)
		}
	}
	checkOutside(t, s.dir)
}

func TestMeasure(t *testing.T) {
	t.Parallel()
	s := newStage(t, roomy)
	s.mustApply(file("d/a", "x"), file("b", strings.Repeat("x", 5000)), symlink("l", "b"), file("empty", ""), hardLink("b2", "b"))
	got, err := rootfs.Measure(s.root)
	want := rootfs.Size{Bytes: 4096 + 4096 + 8192 + 4096, Files: 6}
	if err != nil || got != want {
		t.Errorf("size = %+v, %v; want %+v", got, err, want)
	}
	names := slices.Sorted(maps.Keys(s.tree()))
	if len(names) != want.Files {
		t.Errorf("tree = %v", names)
	}
}
