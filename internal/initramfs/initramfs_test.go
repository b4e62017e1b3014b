package initramfs_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/nex-engine/nex/internal/initramfs"
)

// module is an ELF file that has nothing but what a module says of itself.
func module(info ...string) []byte {
	const header, section = 64, 64
	said := strings.Join(info, "\x00") + "\x00"
	names := "\x00.modinfo\x00.shstrtab\x00"
	le := binary.LittleEndian
	b := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 9)...)
	b = le.AppendUint16(b, 1)  // relocatable
	b = le.AppendUint16(b, 62) // x86-64
	b = le.AppendUint32(b, 1)
	b = append(b, make([]byte, 16)...)
	b = le.AppendUint64(b, uint64(header+len(said)+len(names)))
	b = append(b, make([]byte, 4)...)
	for _, n := range []uint16{header, 0, 0, section, 3, 2} {
		b = le.AppendUint16(b, n)
	}
	b = append(b, said+names...)
	add := func(name, kind uint32, offset, size int) {
		b = le.AppendUint32(b, name)
		b = le.AppendUint32(b, kind)
		for _, n := range []int{0, 0, offset, size} {
			b = le.AppendUint64(b, uint64(n))
		}
		b = append(b, make([]byte, section-40)...)
	}
	add(0, 0, 0, 0)
	add(1, 1, header, len(said))
	add(10, 3, header+len(said), len(names))
	return b
}

// file is one in an archive.
type file struct {
	name, content string
	mode          uint64
}

// unpack reads an archive as the kernel does.
func unpack(t *testing.T, b []byte) []file {
	t.Helper()
	var files []file
	for {
		if len(b) < 110 || string(b[:6]) != "070701" {
			t.Fatalf("no header after %d files", len(files))
		}
		var n [13]uint64
		for i := range n {
			var err error
			if n[i], err = strconv.ParseUint(string(b[6+8*i:14+8*i]), 16, 32); err != nil {
				t.Fatal(err)
			}
		}
		nameEnd := 110 + n[11]
		f := file{name: string(b[110 : nameEnd-1]), mode: n[1]}
		begin := (nameEnd + 3) &^ 3
		f.content = string(b[begin : begin+n[6]])
		b = b[(begin+n[6]+3)&^3:]
		if f.name == "TRAILER!!!" {
			if len(b) > 0 {
				t.Errorf("%d bytes after the end", len(b))
			}
			return files
		}
		files = append(files, f)
	}
}

func names(files []file) []string {
	var all []string
	for _, f := range files {
		all = append(all, f.name)
	}
	return all
}

// write makes files, and returns their directory.
func write(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func gzipped(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zstandard(t *testing.T, b []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(b, nil)
}

// config is of a directory with these files besides the init.
func config(t *testing.T, files map[string][]byte, names *initramfs.Modules) initramfs.Config {
	t.Helper()
	files["init"] = []byte("\x7fELF init")
	dir := write(t, files)
	return initramfs.Config{Init: filepath.Join(dir, "init"), Modules: dir, Names: names}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	signature := "signature" + strings.Repeat("\x00", 11) + "\x09~Module signature appended~\n"
	c := config(t, map[string][]byte{
		"modules.builtin":   []byte("kernel/fs/ext4.ko\nkernel/lib/crc-x.ko\n"),
		"kernel/a/ring.ko":  append(module("depends=", "name=ring"), signature...),
		"kernel/a/blk.ko":   module("depends=v-mmio,crc-x"),
		"kernel/v_mmio.ko":  module("depends=ring"),
		"kernel/net.ko.gz":  gzipped(t, module("depends=fail,ring", "softdep=pre: extra none post: late")),
		"kernel/fail.ko":    module("depends="),
		"kernel/extra.ko":   module("alias=x"),
		"kernel/late.ko":    module(),
		"kernel/second.ko":  module("depends=ring"),
		"kernel/rng.ko.zst": zstandard(t, module("depends=fail")),
	}, &initramfs.Modules{Always: [][]string{{"blk", "ext4"}, {"second"}}, Device: map[int][]string{4: {"rng"}, 1: {"net"}, 26: {"ring"}}})
	var b, again bytes.Buffer
	if err := initramfs.Write(&b, c); err != nil {
		t.Fatal(err)
	}
	files := unpack(t, b.Bytes())
	want := []string{
		"dev", "dev/console", "dev/null", "init",
		"modules", "modules/00-ring.ko", "modules/01-v_mmio.ko", "modules/02-blk.ko", "modules/03-second.ko",
		"modules/virtio:d00000001", "modules/virtio:d00000001/00-fail.ko", "modules/virtio:d00000001/00-extra.ko", "modules/virtio:d00000001/01-net.ko",
		"modules/virtio:d00000004", "modules/virtio:d00000004/00-fail.ko", "modules/virtio:d00000004/01-rng.ko",
		"modules/virtio:d0000001A",
	}
	if got := names(files); !reflect.DeepEqual(got, want) {
		t.Fatalf("files = %q, want %q", got, want)
	}
	if f := files[3]; f.mode != 0o100755 || f.content != "\x7fELF init" {
		t.Errorf("init = %+v", f)
	}
	if f := files[1]; f.mode != 0o020600 {
		t.Errorf("console = %o", f.mode)
	}
	if got := files[5].content; got != string(module("depends=", "name=ring")) {
		t.Errorf("the module that was signed has %d bytes", len(got))
	}
	if got := files[12].content; !strings.HasPrefix(got, "\x7fELF") {
		t.Errorf("the module that was compressed begins with %q", got[:4])
	}
	if err := initramfs.Write(&again, c); err != nil || !bytes.Equal(b.Bytes(), again.Bytes()) {
		t.Errorf("the second time it is something else: %v", err)
	}
}

func TestWriteWithoutModules(t *testing.T) {
	t.Parallel()
	c := config(t, map[string][]byte{}, nil)
	c.Modules = ""
	var b bytes.Buffer
	if err := initramfs.Write(&b, c); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(names(unpack(t, b.Bytes()))); got != "[dev dev/console dev/null init]" {
		t.Errorf("files = %s", got)
	}
}

func TestWriteFails(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		files map[string][]byte
		names []string
		want  string
	}{
		"no such module":    {nil, []string{"a"}, "no module a: name the directory"},
		"nor what it needs": {map[string][]byte{"a.ko": module("depends=b")}, []string{"a"}, "no module b, which a needs"},
		"a circle":          {map[string][]byte{"a.ko": module("depends=b"), "b.ko": module("depends=a")}, []string{"a"}, "module a needs itself"},
		"no module":         {map[string][]byte{"a.ko": []byte("hello")}, []string{"a"}, "no kernel module"},
		"says nothing":      {map[string][]byte{"a.ko": bytes.Replace(module("depends="), []byte(".modinfo"), []byte(".madinfo"), 1)}, []string{"a"}, "says nothing"},
		"no gzip":           {map[string][]byte{"a.ko.gz": module("depends=")}, []string{"a"}, "read module"},
		"no zstd":           {map[string][]byte{"a.ko.zst": module("depends=")}, []string{"a"}, "read module"},
		"some other form":   {map[string][]byte{"a.ko.lz4": module("depends=")}, []string{"a"}, ".lz4"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := map[string][]byte{}
			for name, content := range tt.files {
				files[name] = content
			}
			c := config(t, files, &initramfs.Modules{Always: [][]string{tt.names}})
			if err := initramfs.Write(&bytes.Buffer{}, c); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want %q in it", err, tt.want)
			}
		})
	}
	dir := write(t, map[string][]byte{"script": []byte("#!/bin/sh")})
	if err := initramfs.Write(&bytes.Buffer{}, initramfs.Config{Init: filepath.Join(dir, "script")}); err == nil {
		t.Error("a script was taken for the init")
	}
	if err := initramfs.Write(&bytes.Buffer{}, initramfs.Config{Init: filepath.Join(dir, "none")}); err == nil {
		t.Error("nothing was taken for the init")
	}
}

// Modules of another kernel than the one that is to load them are found out before they are.
func TestRelease(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ modules, kernel, want string }{
		"the same":         {"vermagic=6.1.0-1 SMP preempt", "6.1.0-1", ""},
		"another":          {"vermagic=6.1.0-1 SMP preempt", "6.1.0-2", "has modules of kernel 6.1.0-1, and the kernel is 6.1.0-2: name the directory of its modules, such as /lib/modules/6.1.0-2"},
		"a kernel unknown": {"vermagic=6.1.0-1 SMP preempt", "", ""},
		"a module unknown": {"depends=", "6.1.0-2", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := config(t, map[string][]byte{"a.ko": module(tt.modules)}, &initramfs.Modules{Always: [][]string{{"a"}}})
			c.Release = tt.kernel
			for _, err := range []error{initramfs.Write(&bytes.Buffer{}, c), initramfs.CheckModules(c)} {
				if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.HasSuffix(err.Error(), tt.want)) {
					t.Errorf("error = %v, want %q", err, tt.want)
				}
			}
		})
	}
}

// FuzzModule: whatever is taken for a module, names of modules come out of it, or an error.
func FuzzModule(f *testing.F) {
	f.Add(module("depends=a,b-c", "softdep=pre: d e post: f"))
	f.Add(append(module("depends="), "x\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01~Module signature appended~\n"...))
	f.Add([]byte("\x7fELF"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if rest := initramfs.Unsigned(content); !bytes.HasPrefix(content, rest) {
			t.Error("what is left of a module is something else")
		}
		hard, soft, err := initramfs.Dependencies(content)
		for _, name := range append(hard, soft...) {
			if err != nil || name == "" || strings.ContainsAny(name, "-\x00") {
				t.Errorf("%q is needed, error %v", name, err)
			}
		}
	})
}
