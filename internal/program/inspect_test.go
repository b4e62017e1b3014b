package program_test

import (
	"bytes"
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"errors"
	"io"
	"os"
	"reflect"
	"runtime"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/program"
)

func TestInspect(t *testing.T) {
	exe := uint16(pe.IMAGE_FILE_EXECUTABLE_IMAGE)
	tests := []struct {
		name string
		file []byte
		want program.Info
	}{
		{"empty", nil, program.Info{Format: program.FormatEmpty}},
		{"text", []byte("const x = 'ü'\n"), program.Info{Format: program.FormatText}},
		{"noise", []byte{0, 1, 2, 3}, program.Info{Format: program.FormatUnknown}},
		{"script", []byte("#!/bin/sh -e\necho"), program.Info{Format: program.FormatScript, Interpreter: "/bin/sh"}},
		{"env script", []byte("#!/usr/bin/env python3\n"), program.Info{Format: program.FormatScript, Interpreter: "python3"}},
		{"script without interpreter", []byte("#!"), program.Info{Format: program.FormatScript}},
		{"wasm", []byte("\x00asm\x01\x00\x00\x00"), program.Info{Format: program.FormatWasm}},
		{
			"static elf", elfImage(),
			program.Info{Format: program.FormatELF, OS: "linux", Arch: "amd64", Bits: 64, Static: true},
		},
		{
			"dynamic elf", elfImage(interpreter("/lib64/ld-linux-x86-64.so.2"), dynamic(elf.DT_NEEDED)),
			program.Info{Format: program.FormatELF, OS: "linux", Arch: "amd64", Bits: 64, Interpreter: "/lib64/ld-linux-x86-64.so.2"},
		},
		{
			"dynamic pie", elfImage(elfType(elf.ET_DYN), interpreter("/lib/ld-musl-x86_64.so.1")),
			program.Info{Format: program.FormatELF, OS: "linux", Arch: "amd64", Bits: 64, Interpreter: "/lib/ld-musl-x86_64.so.1"},
		},
		{
			"static pie", elfImage(elfType(elf.ET_DYN), dynamic(elf.DT_FLAGS_1)),
			program.Info{Format: program.FormatELF, OS: "linux", Arch: "amd64", Bits: 64, Static: true},
		},
		{
			"shared library without entry", elfImage(elfType(elf.ET_DYN), entry(0)),
			program.Info{Format: program.FormatELF, OS: "linux", Arch: "amd64", Bits: 64, Library: "a shared library"},
		},
		{
			"shared library with entry", elfImage(elfType(elf.ET_DYN), dynamic(elf.DT_SONAME)),
			program.Info{Format: program.FormatELF, OS: "linux", Arch: "amd64", Bits: 64, Library: "a shared library"},
		},
		{
			"object file", elfImage(elfType(elf.ET_REL)),
			program.Info{Format: program.FormatELF, OS: "linux", Arch: "amd64", Bits: 64, Library: "an object file"},
		},
		{
			"big endian", elfImage(bigEndian, elfMachine(elf.EM_S390)),
			program.Info{Format: program.FormatELF, OS: "linux", Arch: "s390x", Bits: 64, Static: true},
		},
		{"32-bit elf", elf32(), program.Info{Format: program.FormatELF, OS: "linux", Arch: "386", Bits: 32}},
		{
			"freebsd", elfImage(elfABI(elf.ELFOSABI_FREEBSD)),
			program.Info{Format: program.FormatELF, OS: "freebsd", Arch: "amd64", Bits: 64, Static: true},
		},
		{
			"mach-o", machoImage(macho.CpuArm64, macho.TypeExec),
			program.Info{Format: program.FormatMachO, OS: "darwin", Arch: "arm64", Bits: 64},
		},
		{
			"fat mach-o", fatImage(machoImage(macho.CpuAmd64, macho.TypeExec), machoImage(macho.CpuArm64, macho.TypeExec)),
			program.Info{Format: program.FormatMachO, OS: "darwin", Arch: "amd64", Arches: []string{"amd64", "arm64"}, Bits: 64},
		},
		{
			"dylib", machoImage(macho.CpuArm64, macho.TypeDylib),
			program.Info{Format: program.FormatMachO, OS: "darwin", Arch: "arm64", Bits: 64, Library: "a shared library"},
		},
		{"java class", []byte("\xca\xfe\xba\xbe\x00\x00\x00\x34xxxx"), program.Info{Format: program.FormatUnknown}},
		{
			"windows", peImage(pe.IMAGE_FILE_MACHINE_AMD64, exe, 16),
			program.Info{Format: program.FormatPE, OS: "windows", Arch: "amd64", Bits: 64},
		},
		{
			"dll", peImage(pe.IMAGE_FILE_MACHINE_AMD64, exe|pe.IMAGE_FILE_DLL, 16),
			program.Info{Format: program.FormatPE, OS: "windows", Arch: "amd64", Bits: 64, Library: "a DLL"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := program.Inspect(bytes.NewReader(tt.file), int64(len(tt.file)))
			if err != nil {
				t.Fatalf("Inspect: %v", err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("Inspect = %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

// The program that runs this test is for this system by definition.
func TestInspectItself(t *testing.T) {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := program.Inspect(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if info.OS != runtime.GOOS || !info.RunsOn(runtime.GOARCH) || info.Bits != 64 || info.Library != "" {
		t.Errorf("Inspect(%s) = %+v, want a program for %s/%s", path, info, runtime.GOOS, runtime.GOARCH)
	}
	target := program.Target{OS: runtime.GOOS, Arch: runtime.GOARCH, HostLibraries: true}
	if err := program.CheckFile(path, target); err != nil {
		t.Errorf("CheckFile(%s) = %v, want nil", path, err)
	}
}

func TestInspectDamaged(t *testing.T) {
	tests := []struct {
		name string
		file []byte
	}{
		{"elf magic alone", []byte("\x7fELF")},
		{"elf header cut off", elfImage()[:40]},
		{"program headers cut off", elfImage()[:100]},
		{"no program headers", elfImage(func(p *elfParts) { p.segments = nil })},
		{"more program headers than bytes", elfImage(func(p *elfParts) { p.phnum = 0xffff })},
		{"program header table at the end of the world", elfImage(func(p *elfParts) { p.header.Phoff = 1<<64 - 8 })},
		{"program headers of another size", elfImage(func(p *elfParts) { p.header.Phentsize = 1 })},
		{"segment beyond the end", elfImage(func(p *elfParts) { p.segments[0].Filesz = 1 << 20 })},
		{"segment that wraps around", elfImage(func(p *elfParts) { p.segments[0].Off = 1<<64 - 1; p.segments[0].Filesz = 2 })},
		{"nothing to load", elfImage(func(p *elfParts) { p.segments[0].Type = uint32(elf.PT_NOTE) })},
		{"linker's path without an end", elfImage(func(p *elfParts) { p.add(elf.PT_INTERP, []byte("/lib/ld.so")) })},
		{"linker's path of 1 MiB", elfImage(func(p *elfParts) { p.add(elf.PT_INTERP, make([]byte, 1<<20)) })},
		{"no byte order", append([]byte("\x7fELF\x02\x07"), make([]byte, 60)...)},
		{"mach-o cut off", machoImage(macho.CpuArm64, macho.TypeExec)[:20]},
		{"mach-o commands cut off", machoImage(macho.CpuArm64, macho.TypeExec)[:32]},
		{"fat mach-o cut off", fatImage(machoImage(macho.CpuArm64, macho.TypeExec))[:40]},
		{"fat mach-o of noise", fatImage(make([]byte, 40))},
		{"dos program", append([]byte("MZ"), make([]byte, 100)...)},
		{"pe section cut off", peImage(pe.IMAGE_FILE_MACHINE_AMD64, pe.IMAGE_FILE_EXECUTABLE_IMAGE, 1<<20)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			info, err := program.Inspect(bytes.NewReader(tt.file), int64(len(tt.file)))
			if nex.CodeOf(err) != nex.CodeInvalidExecutable {
				t.Errorf("Inspect = %+v, %v, want an error with code %s", info, err, nex.CodeInvalidExecutable)
			}
		})
	}
}

type failingReader struct{ err error }

func (r failingReader) ReadAt([]byte, int64) (int, error) { return 0, r.err }

// A disk that cannot be read is not the program's fault.
func TestInspectReadError(t *testing.T) {
	want := errors.New("disk on fire")
	_, err := program.Inspect(failingReader{want}, 100)
	if !errors.Is(err, want) || nex.CodeOf(err) == nex.CodeInvalidExecutable {
		t.Errorf("Inspect = %v, want %v without code %s", err, want, nex.CodeInvalidExecutable)
	}
}

// countingReader sees how much is read at once.
type countingReader struct {
	*bytes.Reader
	most, sum int
}

func (r *countingReader) ReadAt(b []byte, at int64) (int, error) {
	r.most = max(r.most, len(b))
	r.sum += len(b)
	return r.Reader.ReadAt(b, at)
}

func FuzzInspect(f *testing.F) {
	exe := uint16(pe.IMAGE_FILE_EXECUTABLE_IMAGE)
	for _, seed := range [][]byte{
		nil, []byte("#!/bin/sh\n"), []byte("\x00asm"), []byte("text"), elf32(), elfImage(),
		elfImage(elfType(elf.ET_DYN), dynamic(elf.DT_FLAGS_1)),
		elfImage(interpreter("/lib64/ld-linux-x86-64.so.2")), elfImage(bigEndian),
		machoImage(macho.CpuArm64, macho.TypeExec),
		fatImage(machoImage(macho.CpuAmd64, macho.TypeExec), machoImage(macho.Cpu386, macho.TypeDylib)),
		peImage(pe.IMAGE_FILE_MACHINE_ARM64, exe, 16),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := &countingReader{Reader: bytes.NewReader(b)}
		info, err := program.Inspect(r, int64(len(b)))
		if err != nil && nex.CodeOf(err) != nex.CodeInvalidExecutable {
			t.Errorf("Inspect: %v, want only errors with code %s", err, nex.CodeInvalidExecutable)
		}
		// Bounded work whatever the file says.
		if r.most > 64<<10 || r.sum > 1<<20 {
			t.Errorf("Inspect read %d bytes at once and %d in all", r.most, r.sum)
		}
		if info.Static && info.Interpreter != "" {
			t.Errorf("Inspect = %+v: static with a dynamic linker", info)
		}
		target := program.Target{OS: "linux", Arch: "amd64"}
		if err := program.Check(r, int64(len(b)), target); err == nil && (!info.Static || info.Arch != "amd64") {
			t.Errorf("Check accepts %+v for %v", info, target)
		}
		// A size that is wrong in either direction must not hurt.
		_, _ = program.Inspect(bytes.NewReader(b), int64(len(b))+4096)
		_, _ = program.Inspect(io.NewSectionReader(r, 0, int64(len(b)/2)), int64(len(b)))
		_, _ = program.TypeOf("file", b)
	})
}
