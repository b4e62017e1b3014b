package rootfs_test

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/rootfs"
)

// No credentials of the machine are used.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "nex-rootfs")
	if err != nil {
		log.Fatal(err)
	}
	_ = os.Setenv("DOCKER_CONFIG", dir)
	_ = os.Setenv("REGISTRY_AUTH_FILE", filepath.Join(dir, "auth.json"))
	if err := os.WriteFile(filepath.Join(dir, "auth.json"), []byte("{}"), 0o600); err != nil {
		log.Fatal(err)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func machine(arch string) elf.Machine {
	if arch == "arm64" {
		return elf.EM_AARCH64
	}
	return elf.EM_X86_64
}

// program writes what looks like a program, with some segments and some more bytes.
func program(t testing.TB, m elf.Machine, more string, segments ...elf.ProgType) string {
	t.Helper()
	h := elf.Header64{
		Type: uint16(elf.ET_EXEC), Machine: uint16(m), Version: 1, Ehsize: 64, Phoff: 64, Phentsize: 56, Phnum: uint16(len(segments)),
	}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS], h.Ident[elf.EI_DATA], h.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), 1
	b, err := binary.Append(nil, binary.LittleEndian, h)
	must(t, err)
	after := uint64(64 + 56*len(segments))
	for _, s := range segments {
		b, err = binary.Append(b, binary.LittleEndian, elf.Prog64{Type: uint32(s), Flags: 5, Off: after, Filesz: uint64(len(more)), Memsz: uint64(len(more))})
		must(t, err)
	}
	return file(t, "program", string(b)+more)
}

func static(t testing.TB, more string) string {
	t.Helper()
	return program(t, machine(runtime.GOARCH), more, elf.PT_LOAD)
}

func file(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	must(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return string(b)
}

// config is what can be built, without a base, to an image of 8 MiB.
func config(t testing.TB) rootfs.Config {
	t.Helper()
	return rootfs.Config{
		Agent: static(t, strings.Repeat("agent", 1000)), Init: static(t, "init"), Size: 8 << 20, Output: filepath.Join(t.TempDir(), "rootfs.ext4"),
	}
}

func build(t testing.TB, c rootfs.Config) rootfs.Result {
	t.Helper()
	r, err := rootfs.Build(t.Context(), c)
	must(t, err)
	return r
}

func tryBuild(t testing.TB, c rootfs.Config) (rootfs.Result, error) {
	t.Helper()
	return rootfs.Build(t.Context(), c)
}

// buildDir builds the directory form and returns its path.
func buildDir(t testing.TB, c rootfs.Config) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "root")
	c.Output = dir + "/"
	if r := build(t, c); r.Path != c.Output || r.Form != rootfs.FormDirectory {
		t.Errorf("result = %+v", r)
	}
	return dir
}

// archive makes a tar archive. An entry is "type name|content", with the type as tar has it; the content is where links
// lead to.
func archive(t testing.TB, entries ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		name, content, _ := strings.Cut(e[2:], "|")
		h := &tar.Header{Typeflag: e[0], Name: name, Mode: 0o755, Uid: 5, Gid: 6, Size: int64(len(content)), ModTime: day}
		if h.Typeflag != tar.TypeReg {
			h.Linkname, h.Size, content = content, 0, ""
		}
		must(t, w.WriteHeader(h))
		_, err := w.Write([]byte(content))
		must(t, err)
	}
	must(t, w.Close())
	return b.Bytes()
}

// left are the files beside an output.
func left(t testing.TB, output string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(filepath.Clean(output)))
	must(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func mode(t testing.TB, path string) fs.FileMode {
	t.Helper()
	info, err := os.Lstat(path)
	must(t, err)
	return info.Mode()
}
