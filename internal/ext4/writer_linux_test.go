package ext4_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/nex-engine/nex/internal/ext4"
)

func file(t testing.TB, w *ext4.Writer, name, content string, a ext4.Attr) {
	t.Helper()
	must(t, w.File(name, a, int64(len(content)), strings.NewReader(content)))
}

// zeros is content that is cheap to make.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// listing prints all that a mounted file system has, but for what was there before.
const listing = `cd "$AT"; find . -mindepth 1 -name lost+found -prune -o -printf '%y %m %U:%G %n %s %T+ %p -> %l\n' | sort -k7; find . -type f -size -1000k ! -empty | sort | xargs cat; cd /`

// The kernel finds in it what was written.
func TestKernelReads(t *testing.T) {
	at := time.Date(2025, 6, 7, 8, 9, 10, 11, time.UTC)
	late := time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC)
	long := strings.Repeat("long/", 40) + "end"
	path := image(t, 20*mib, func(w *ext4.Writer) {
		must(t, w.Mkdir("/", ext4.Attr{Mode: 0o751}))
		must(t, w.Mkdir("d", ext4.Attr{Mode: 0o777 | fs.ModeSticky, UID: 1000, GID: 70000}))
		file(t, w, "/d/hello", "hello\n", ext4.Attr{Mode: 0o640 | fs.ModeSetuid, UID: 100001, GID: 5, ModTime: at})
		file(t, w, "made/parents/./empty", "", ext4.Attr{Mode: 0o600, ModTime: time.Unix(-1, 0)})
		must(t, w.Link("made/again", "d/hello"))
		must(t, w.Symlink("short", "d/hello", ext4.Attr{UID: 7, ModTime: late}))
		must(t, w.Symlink("long", long, ext4.Attr{}))
	})
	check(t, path)
	out, could := mounted(t, path, "ro", listing)
	want := `l 777 0:0 1 203 1970-01-01+00:00:00.0000000000 ./long -> ` + long + `
l 777 7:0 1 7 2300-01-01+00:00:00.0000000000 ./short -> d/hello
d 1777 1000:70000 2 4096 1970-01-01+00:00:00.0000000000 ./d -> 
f 4640 100001:5 2 6 2025-06-07+08:09:10.0000000110 ./d/hello -> 
d 755 0:0 3 4096 1970-01-01+00:00:00.0000000000 ./made -> 
f 4640 100001:5 2 6 2025-06-07+08:09:10.0000000110 ./made/again -> 
d 755 0:0 2 4096 1970-01-01+00:00:00.0000000000 ./made/parents -> 
f 600 0:0 1 0 1969-12-31+23:59:59.0000000000 ./made/parents/empty -> 
hello
hello`
	if could && sorted(out) != sorted(want) {
		t.Errorf("the kernel sees\n%s\nwant\n%s", out, want)
	}
}

func sorted(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// Directories of many blocks, files of many extents and of leaves of them, over many groups.
func TestLargeFilesAndDirectories(t *testing.T) {
	const files = 3000
	path := filepath.Join(t.TempDir(), "image")
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	const size = 3 * gib
	w, err := ext4.NewWriter(sparse{f}, ext4.Options{Size: size})
	must(t, err)
	for i := range files {
		file(t, w, fmt.Sprintf("many/%d-%s", i, strings.Repeat("x", i%240)), fmt.Sprint(i, "\n"), ext4.Attr{Mode: 0o644})
	}
	const large = 700*mib + 1
	must(t, w.File("large", ext4.Attr{Mode: 0o644}, large, io.MultiReader(io.LimitReader(zeros{}, large-1), strings.NewReader("!"))))
	must(t, w.File("fits", ext4.Attr{Mode: 0o644}, 512*mib, io.LimitReader(zeros{}, 512*mib)))
	must(t, w.Close())
	must(t, f.Truncate(size))
	check(t, path)
	out, could := mounted(t, path, "ro", `cat "$AT"/many/* | sort -n; tail -c1 "$AT/large"; stat -c ' %s' "$AT/large"`)
	var want strings.Builder
	for i := range files {
		fmt.Fprintln(&want, i)
	}
	fmt.Fprintf(&want, "! %d", large)
	if could && out != want.String() {
		t.Errorf("the kernel sees\n%s\nwant the numbers below %d, and\n! %d", out, files, large)
	}
}

// sparse is a file in which zeros are not written.
type sparse struct{ *os.File }

var nothing [256 << 10]byte

func (s sparse) WriteAt(p []byte, at int64) (int, error) {
	if len(p) <= len(nothing) && bytes.Equal(p, nothing[:len(p)]) {
		return len(p), nil
	}
	return s.File.WriteAt(p, at)
}

// What took the place of something else is all there is; its room is free again.
func TestReplace(t *testing.T) {
	path := image(t, 20*mib, func(w *ext4.Writer) {
		file(t, w, "a", strings.Repeat("old", 3<<20/3), ext4.Attr{})
		must(t, w.Link("b", "a"))
		file(t, w, "a", "new\n", ext4.Attr{Mode: 0o644})
		file(t, w, "c", strings.Repeat("old", 3<<20/3), ext4.Attr{})
		must(t, w.Symlink("c", "a", ext4.Attr{}))
		must(t, w.Symlink("d", "a", ext4.Attr{}))
		must(t, w.Link("d", "a"))
		must(t, w.Link("d", "a"))
		file(t, w, "dir/in", "in\n", ext4.Attr{Mode: 0o600})
		must(t, w.Mkdir("dir", ext4.Attr{Mode: 0o700}))
	})
	check(t, path)
	out, could := mounted(t, path, "rw", `cd "$AT"; stat -c '%n %F %h %s %a' a b c d dir dir/in; cat a d dir/in; dd if=/dev/zero of=full bs=64k 2>/dev/null || :; stat -c %s full >&2; rm full; cd /`)
	if want := `a regular file 2 4 644
b regular file 1 3145728 0
c symbolic link 1 1 777
d regular file 2 4 644
dir directory 2 4096 700
dir/in regular file 1 3 600
new
new
in`; could && !strings.HasPrefix(out, want+"\n") {
		t.Errorf("the kernel sees\n%s\nwant\n%s", out, want)
	} else if free := 0; could {
		_, _ = fmt.Sscan(strings.TrimPrefix(out, want), &free)
		if free < 16*mib-100<<10 {
			t.Errorf("%d bytes were free, want 16 MiB without the tables", free)
		}
	}
	check(t, path) // after the kernel has written
}

func TestReproducible(t *testing.T) {
	make := func(content string) [32]byte {
		b, err := os.ReadFile(image(t, 5*mib, func(w *ext4.Writer) {
			for _, name := range []string{"z", "y/1", "x", "y/0"} {
				file(t, w, name, name+content, ext4.Attr{Mode: 0o644})
			}
		}))
		must(t, err)
		return sha256.Sum256(b)
	}
	one := make("content")
	if one != make("content") {
		t.Error("the same calls made different file systems")
	}
	if one == make("c0ntent") {
		t.Error("different content made the same file system")
	}
}

// A file system that is too small is told by how much, and with that it just fits.
func TestTooSmall(t *testing.T) {
	for name, fill := range map[string]func(*ext4.Writer){
		"content":     func(w *ext4.Writer) { must(t, w.File("f", ext4.Attr{}, 200*mib, io.LimitReader(zeros{}, 200*mib))) },
		"some":        func(w *ext4.Writer) { must(t, w.File("f", ext4.Attr{}, 2*mib, io.LimitReader(zeros{}, 2*mib))) },
		"directories": func(w *ext4.Writer) { names(t, w, "d%d/", 3000) },
		"inodes":      func(w *ext4.Writer) { names(t, w, "%d", 40000) },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := discarded(t, ext4.MinSize, fill)
			var small *ext4.SizeError
			if !errors.As(err, &small) {
				t.Fatalf("error = %v, want a SizeError", err)
			}
			if says := fmt.Sprint(small.Need - ext4.MinSize); !strings.Contains(err.Error(), says) {
				t.Errorf("error %q does not say that %s bytes are missing", err, says)
			}
			if _, err := discarded(t, small.Need-1, fill); !errors.As(err, &small) {
				t.Errorf("it fits into one byte less: %v", err)
			}
			check(t, image(t, small.Need, fill))
		})
	}
}

func names(t *testing.T, w *ext4.Writer, format string, n int) {
	for i := range n {
		file(t, w, fmt.Sprintf(format+"f", i), "", ext4.Attr{})
	}
}

// discarded makes a file system that nobody needs.
func discarded(t *testing.T, size int64, fill func(*ext4.Writer)) (*ext4.Writer, error) {
	t.Helper()
	w, err := ext4.NewWriter(nowhere{}, ext4.Options{Size: size})
	must(t, err)
	fill(w)
	return w, w.Close()
}

type nowhere struct{}

func (nowhere) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }

// pieces is a disk that counts what is written to it, and at most at once.
type pieces struct{ most, all int }

func (p *pieces) WriteAt(b []byte, _ int64) (int, error) {
	p.most = max(p.most, len(b))
	p.all += len(b)
	return len(b), nil
}

// The tables of a file system with many entries are not in memory as a whole.
func TestWritesInPieces(t *testing.T) {
	var p pieces
	w, err := ext4.NewWriter(&p, ext4.Options{Size: 64 * mib})
	must(t, err)
	names(t, w, "%d", 20_000)
	must(t, w.Close())
	if p.most > mib || p.all < 20_000*256 {
		t.Errorf("of %d bytes %d are written at once", p.all, p.most)
	}
}

func TestRefused(t *testing.T) {
	w, err := ext4.NewWriter(nowhere{}, ext4.Options{Size: ext4.MinSize})
	must(t, err)
	file(t, w, "file", "", ext4.Attr{})
	must(t, w.Symlink("link", "dir", ext4.Attr{}))
	must(t, w.Mkdir("dir", ext4.Attr{}))
	empty := strings.NewReader("")
	long := strings.Repeat("x", 256)
	for name, err := range map[string]error{
		"above":               w.Mkdir("../dir", ext4.Attr{}),
		"above inside":        w.File("dir/../f", ext4.Attr{}, 0, empty),
		"through a file":      w.File("file/f", ext4.Attr{}, 0, empty),
		"through a link":      w.File("link/f", ext4.Attr{}, 0, empty),
		"long part":           w.Mkdir(long, ext4.Attr{}),
		"long part inside":    w.Mkdir(long+"/a", ext4.Attr{}),
		"no character":        w.Mkdir("a\x00", ext4.Attr{}),
		"dir over a file":     w.Mkdir("file", ext4.Attr{}),
		"dir over a link":     w.Mkdir("link", ext4.Attr{}),
		"file over a dir":     w.File("dir", ext4.Attr{}, 0, empty),
		"file over the root":  w.File("/", ext4.Attr{}, 0, empty),
		"link over a dir":     w.Symlink("dir", "file", ext4.Attr{}),
		"names over a dir":    w.Link("dir", "file"),
		"names of a dir":      w.Link("new", "dir"),
		"names of nothing":    w.Link("new", "missing"),
		"names of the root":   w.Link("new", "/"),
		"link to nothing":     w.Symlink("new", "", ext4.Attr{}),
		"link to a long name": w.Symlink("new", strings.Repeat("x", 4096), ext4.Attr{}),
		"negative size":       w.File("new", ext4.Attr{}, -1, empty),
		"huge":                w.File("new", ext4.Attr{}, 1<<60, empty),
		"too little content":  w.File("new", ext4.Attr{}, 2, strings.NewReader("1")),
		"too much content":    w.File("new", ext4.Attr{}, 2, strings.NewReader("123")),
		"broken content":      w.File("new", ext4.Attr{}, 2, iotest.ErrReader(io.ErrClosedPipe)),
	} {
		if err == nil {
			t.Errorf("%s is not refused", name)
		}
	}
	for _, o := range []ext4.Options{{}, {Size: ext4.MinSize - 1}, {Size: ext4.MaxSize + 1}, {Size: ext4.MinSize, Label: "seventeen letters"}} {
		if _, err := ext4.NewWriter(nowhere{}, o); err == nil {
			t.Errorf("%+v is not refused", o)
		}
	}
}

// failing is a disk that is full after some bytes.
type failing struct{ after int64 }

var errFull = errors.New("disk is full")

func (f failing) WriteAt(p []byte, at int64) (int, error) {
	if at+int64(len(p)) > f.after {
		return 0, errFull
	}
	return len(p), nil
}

func TestDiskIsFull(t *testing.T) {
	for _, after := range []int64{0, 8192, 20 << 10, 2 * mib} {
		w, err := ext4.NewWriter(failing{after}, ext4.Options{Size: 20 * mib})
		must(t, err)
		err = w.File("f", ext4.Attr{}, 2*mib-64<<10, io.LimitReader(zeros{}, 2*mib-64<<10))
		if err == nil {
			err = w.Close()
		}
		if !errors.Is(err, errFull) {
			t.Errorf("after %d bytes: error = %v, want that of the disk", after, err)
		}
	}
}
