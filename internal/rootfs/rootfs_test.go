package rootfs_test

import (
	"compress/gzip"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/guest"
	"github.com/nex-engine/nex/internal/rootfs"
	"github.com/nex-engine/nex/internal/sandbox/gvisor"
)

var day = time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)

func TestDirectory(t *testing.T) {
	c := config(t)
	dir := buildDir(t, c)
	if read(t, filepath.Join(dir, guest.AgentPath)) != read(t, c.Agent) || read(t, filepath.Join(dir, guest.InitPath)) != read(t, c.Init) {
		t.Error("the programs are not what was given")
	}
	for path, want := range map[string]fs.FileMode{
		guest.AgentPath: 0o755, guest.InitPath: 0o755, "/etc/passwd": 0o644, "/etc/resolv.conf": 0o644, "/tmp": fs.ModeDir | fs.ModeSticky | 0o777,
		"/proc": fs.ModeDir | 0o555, "/home/nex": fs.ModeDir | 0o755, "/work": fs.ModeDir | 0o755, "/": fs.ModeDir | 0o755, "/run": fs.ModeDir | 0o755,
	} {
		if got := mode(t, filepath.Join(dir, path)); got != want && runtime.GOOS != "windows" {
			t.Errorf("%s has mode %v, want %v", path, got, want)
		}
	}
	if passwd := read(t, filepath.Join(dir, "etc", "passwd")); !strings.Contains(passwd, "\nnex:x:1000:1000:nex:/home/nex:") || !strings.Contains(passwd, "\nworkload:x:1001:1001:") {
		t.Errorf("passwd is\n%s", passwd)
	}
	for _, path := range gvisor.ImageMountPoints {
		if !exists(filepath.Join(dir, path)) {
			t.Errorf("the mount point %s is missing", path)
		}
	}
}

func TestDirectoryTakesOnlyEmptyOnes(t *testing.T) {
	c := config(t)
	c.Output = t.TempDir() + "/"
	build(t, c)
	if !exists(filepath.Join(c.Output, "etc", "passwd")) {
		t.Error("the directory that was there is still empty")
	}
	if _, err := rootfs.Build(t.Context(), c); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("error = %v, though there is something in it", err)
	}
}

func TestReproducible(t *testing.T) {
	c := config(t)
	c.Base = file(t, "base.tar", string(archive(t, "5 etc/", "0 etc/b|x", "0 a|y", "2 l|etc", "1 again|a")))
	for _, name := range []string{"rootfs.ext4", "rootfs.ext4.gz"} {
		var first string
		for i := range 2 {
			c.Output = filepath.Join(t.TempDir(), name)
			r := build(t, c)
			content := read(t, c.Output)
			sum := sha256.Sum256([]byte(content))
			if r.SHA256 != hex.EncodeToString(sum[:]) || r.FileSize != int64(len(content)) || r.Size != c.Size || r.Used < 100<<10 || r.Used > c.Size {
				t.Errorf("%s: result = %+v", name, r)
			}
			if i == 0 {
				first = content
			} else if content != first {
				t.Errorf("%s is not the same the second time", name)
			}
			if got := left(t, c.Output); !slices.Equal(got, []string{name}) {
				t.Errorf("beside it there are %v", got)
			}
			if mode := mode(t, c.Output); mode != 0o644 && runtime.GOOS != "windows" {
				t.Errorf("%s has mode %v", name, mode)
			}
		}
	}
}

func TestPacked(t *testing.T) {
	c := config(t)
	plain := build(t, c)
	c.Output = filepath.Join(t.TempDir(), "rootfs.ext4.gz")
	if r := build(t, c); r.Form != rootfs.FormPacked || r.FileSize > 1<<20 {
		t.Errorf("result = %+v", r)
	}
	f, err := os.Open(c.Output)
	must(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	must(t, err)
	sum := sha256.New()
	_, err = io.Copy(sum, z)
	must(t, err)
	if got := hex.EncodeToString(sum.Sum(nil)); got != plain.SHA256 {
		t.Error("what is packed is another file system")
	}
}

func TestReplacesAnImage(t *testing.T) {
	c := config(t)
	c.Output = file(t, "rootfs.ext4", "old")
	r := build(t, c)
	if info, err := os.Stat(c.Output); err != nil || info.Size() != c.Size || r.Form != rootfs.FormImage {
		t.Errorf("it has %v, %v", info, err)
	}
	c.Agent = static(t, strings.Repeat("x", 9<<20))
	if _, err := rootfs.Build(t.Context(), c); err == nil {
		t.Fatal("9 MiB fit into 8")
	}
	if info, err := os.Stat(c.Output); err != nil || info.Size() != c.Size {
		t.Errorf("after a failure it has %v, %v", info, err)
	}
}

// A device that is replaced by a file harms the whole machine: nothing but a file is.
func TestReplacesFilesOnly(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, "socket"))
	must(t, err)
	defer l.Close()
	must(t, os.Symlink(os.DevNull, filepath.Join(dir, "link")))
	must(t, os.Symlink("nothing", filepath.Join(dir, "dangling")))
	for _, name := range []string{"socket", "link", "dangling"} {
		c := config(t)
		c.Output = filepath.Join(dir, name)
		before, err := os.Lstat(c.Output)
		must(t, err)
		if _, err := rootfs.Build(t.Context(), c); err == nil || !strings.Contains(err.Error(), c.Output+" is no regular file") {
			t.Errorf("%s: %v", name, err)
		}
		if after, err := os.Lstat(c.Output); err != nil || !os.SameFile(before, after) {
			t.Errorf("%s is another now: %v", name, err)
		}
	}
}

func TestChange(t *testing.T) {
	c := config(t)
	c.Change = func(_ context.Context, path string) error {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteAt([]byte("changed"), 0)
		return errors.Join(err, f.Close())
	}
	build(t, c)
	if got := read(t, c.Output); !strings.HasPrefix(got, "changed") {
		t.Error("it is not changed")
	}
	c.Output = filepath.Join(t.TempDir(), "failed")
	failure := errors.New("it did not boot")
	c.Change = func(context.Context, string) error { return failure }
	if _, err := rootfs.Build(t.Context(), c); !errors.Is(err, failure) || len(left(t, c.Output)) != 0 {
		t.Errorf("error = %v; left: %v", err, left(t, c.Output))
	}
}

func TestCancelled(t *testing.T) {
	for _, output := range []string{"rootfs.ext4", "rootfs.ext4.gz", "rootfs/"} {
		ctx, cancel := context.WithCancel(t.Context())
		c := config(t)
		c.Output = t.TempDir() + "/" + output
		c.Say = func(string, ...any) { cancel() }
		if _, err := rootfs.Build(ctx, c); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error = %v, want that it was cancelled", output, err)
		}
		if got := left(t, c.Output); len(got) != 0 {
			t.Errorf("%s: left: %v", output, got)
		}
	}
}

func TestBadInput(t *testing.T) {
	foreign := "arm64"
	if runtime.GOARCH == foreign {
		foreign = "amd64"
	}
	dir := t.TempDir()
	for name, tt := range map[string]struct {
		change func(*rootfs.Config)
		says   []string
	}{
		"agent missing":     {func(c *rootfs.Config) { c.Agent = filepath.Join(dir, "none") }, []string{"agent", "none"}},
		"agent a directory": {func(c *rootfs.Config) { c.Agent = dir }, []string{"agent", "no file"}},
		"agent text":        {func(c *rootfs.Config) { c.Agent = file(t, "a.sh", "#!/bin/sh\n") }, []string{"agent", "no program", "linux/" + runtime.GOARCH}},
		"agent empty":       {func(c *rootfs.Config) { c.Agent = file(t, "a", "") }, []string{"agent", "no program"}},
		"agent cut off":     {func(c *rootfs.Config) { c.Agent = file(t, "a", elf.ELFMAG) }, []string{"agent"}},
		"agent foreign":     {func(c *rootfs.Config) { c.Agent = program(t, machine(foreign), "", elf.PT_LOAD) }, []string{"agent", "linux/" + foreign, "linux/" + runtime.GOARCH}},
		"agent not static": {func(c *rootfs.Config) {
			c.Agent = program(t, machine(runtime.GOARCH), "/lib/ld.so\x00", elf.PT_LOAD, elf.PT_INTERP)
		}, []string{"agent", "dynamically linked"}},
		"init text":          {func(c *rootfs.Config) { c.Init = file(t, "i", "text") }, []string{"init", "no program"}},
		"no output":          {func(c *rootfs.Config) { c.Output = "" }, []string{"no output"}},
		"output a directory": {func(c *rootfs.Config) { c.Output = dir }, []string{dir, "is a directory", dir + "/"}},
		"output nowhere":     {func(c *rootfs.Config) { c.Output = filepath.Join(dir, "no", "file") }, []string{filepath.Join(dir, "no"), "make it, or choose another"}},
		"size negative":      {func(c *rootfs.Config) { c.Size = -1 }, []string{"-1 bytes", "1048576"}},
		"size tiny":          {func(c *rootfs.Config) { c.Size = 1<<20 - 1 }, []string{"1048575 bytes"}},
		"base missing":       {func(c *rootfs.Config) { c.Base = "./none.tar" }, []string{"no base ./none.tar"}},
		"base no name":       {func(c *rootfs.Config) { c.Base = "No Such:thing" }, []string{"no base No Such:thing"}},
		"base no archive":    {func(c *rootfs.Config) { c.Base = file(t, "x.tar", strings.Repeat("no archive", 1000)) }, []string{"x.tar", "cannot be unpacked"}},
		"base empty":         {func(c *rootfs.Config) { c.Base = file(t, "x.tar.gz", "\x1f\x8b") }, []string{"x.tar.gz", "cannot be unpacked"}},
		"base of xz":         {func(c *rootfs.Config) { c.Base = file(t, "x.tar.xz", "\xFD7zXZ\x00rest") }, []string{"xz", "unpack it"}},
		"base escapes":       {func(c *rootfs.Config) { c.Base = file(t, "x.tar", string(archive(t, "0 ../escaped|x"))) }, []string{"x.tar", "../escaped", ".."}},
		"base in our place":  {func(c *rootfs.Config) { c.Base = file(t, "x.tar", string(archive(t, "2 tmp|/somewhere"))) }, []string{"/tmp"}},
		"base through links": {func(c *rootfs.Config) { c.Base = file(t, "x.tar", string(archive(t, "5 e/", "2 etc|e"))) }, []string{"etc"}},
		"packed image":       {func(c *rootfs.Config) { c.Base = file(t, "x.tar.gz", packed(t, archive(t, "0 manifest.json|[]"))) }, []string{"compressed archive of an image"}},
	} {
		for _, form := range []string{"image", "directory"} {
			t.Run(name+", "+form, func(t *testing.T) {
				c := config(t)
				outside := t.TempDir()
				c.Output = filepath.Join(outside, "rootfs.ext4")
				if form == "directory" {
					c.Output = outside + "/root/"
				}
				c.Size = 8 << 20
				tt.change(&c)
				if form == "directory" && (strings.HasPrefix(name, "size") || name == "output a directory") {
					return // a directory has no size
				}
				_, err := rootfs.Build(t.Context(), c)
				if err == nil {
					t.Fatal("it was built")
				}
				for _, s := range tt.says {
					if !strings.Contains(err.Error(), s) {
						t.Errorf("error %q does not say %q", err, s)
					}
				}
				if strings.Contains(err.Error(), "\n") {
					t.Errorf("error %q is of several lines", err)
				}
				if entries, _ := os.ReadDir(outside); len(entries) != 0 {
					t.Errorf("left: %v", entries)
				}
			})
		}
	}
}

func packed(t *testing.T, b []byte) string {
	var s strings.Builder
	z := gzip.NewWriter(&s)
	_, err := z.Write(b)
	must(t, err)
	must(t, z.Close())
	return s.String()
}

// The message says which size is enough, and that is the truth.
func TestSizeTooSmall(t *testing.T) {
	c := config(t)
	c.Agent = static(t, strings.Repeat("x", 3<<20))
	c.Size = 2 << 20
	_, err := rootfs.Build(t.Context(), c)
	if err == nil {
		t.Fatal("3 MiB fit into 2")
	}
	var takes, more int64
	_, after, _ := strings.Cut(err.Error(), "bytes are too few: ")
	if _, scan := fmt.Sscanf(after, "it takes %d, which is %d more", &takes, &more); scan != nil || takes-more != c.Size {
		t.Fatalf("error %q: %v", err, scan)
	}
	if !strings.Contains(err.Error(), "size of "+strconv.FormatInt(takes, 10)) {
		t.Errorf("error %q does not say which size to give", err)
	}
	c.Size = takes
	build(t, c)
}
