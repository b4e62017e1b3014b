package program_test

import (
	"bytes"
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/program"
)

func TestCheckAccepts(t *testing.T) {
	linux := program.Target{OS: "linux", Arch: "amd64"}
	here := filepath.Join(t.TempDir(), "..") // a path that exists
	tests := []struct {
		name   string
		file   []byte
		target program.Target
	}{
		{"static", elfImage(), linux},
		{"static pie", elfImage(elfType(elf.ET_DYN), dynamic()), linux},
		{"arm64", elfImage(elfMachine(elf.EM_AARCH64)), program.Target{OS: "linux", Arch: "arm64"}},
		{"dynamic where the host's libraries are", elfImage(interpreter(here)), program.Target{OS: "linux", Arch: "amd64", HostLibraries: true}},
		{"mac", machoImage(macho.CpuArm64, macho.TypeExec), program.Target{OS: "darwin", Arch: "arm64", HostLibraries: true}},
		{
			"second of a fat file",
			fatImage(machoImage(macho.CpuAmd64, macho.TypeExec), machoImage(macho.CpuArm64, macho.TypeExec)),
			program.Target{OS: "darwin", Arch: "arm64", HostLibraries: true},
		},
		{"windows", peImage(pe.IMAGE_FILE_MACHINE_AMD64, pe.IMAGE_FILE_EXECUTABLE_IMAGE, 8), program.Target{OS: "windows", Arch: "amd64", HostLibraries: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := program.Check(bytes.NewReader(tt.file), int64(len(tt.file)), tt.target); err != nil {
				t.Errorf("Check = %v, want nil", err)
			}
		})
	}
}

func TestCheckRefuses(t *testing.T) {
	linux := program.Target{OS: "linux", Arch: "amd64"}
	hosted := program.Target{OS: "linux", Arch: "amd64", HostLibraries: true}
	tests := []struct {
		name   string
		file   []byte
		target program.Target
		says   []string // what the sentence must tell
	}{
		{"empty", nil, linux, []string{"is empty", "upload"}},
		{"script", []byte("#!/usr/bin/env bash\n"), linux, []string{"script", `"bash"`, "linux/amd64"}},
		{"text", []byte("<html>not found</html>"), linux, []string{"text file", "v8"}},
		{"wasm", []byte("\x00asm\x01\x00\x00\x00"), linux, []string{"WebAssembly", "type wasm"}},
		{"zip", []byte("PK\x03\x04\x00\x00"), linux, []string{"zip archive", "linux/amd64"}},
		{"noise", []byte{0, 0, 0}, linux, []string{"not a program"}},
		{"other architecture", elfImage(elfMachine(elf.EM_AARCH64)), linux, []string{"linux/arm64", "linux/amd64", "GOARCH=amd64"}},
		{"unknown architecture", elfImage(elfMachine(elf.EM_XTENSA)), linux, []string{"unknown architecture", "GOARCH=amd64"}},
		{"32-bit", elf32(), linux, []string{"32-bit", "386", "linux/amd64"}},
		{"mac program", machoImage(macho.CpuAmd64, macho.TypeExec), linux, []string{"darwin/amd64", "GOOS=linux"}},
		{"windows program", peImage(pe.IMAGE_FILE_MACHINE_AMD64, pe.IMAGE_FILE_EXECUTABLE_IMAGE, 8), linux, []string{"windows/amd64", "GOOS=linux"}},
		{"fat mac program", fatImage(machoImage(macho.CpuAmd64, macho.TypeExec), machoImage(macho.CpuArm64, macho.TypeExec)), linux, []string{"darwin/amd64,arm64"}},
		{"freebsd program", elfImage(elfABI(elf.ELFOSABI_FREEBSD)), linux, []string{"freebsd/amd64", "GOOS=linux"}},
		{"32-bit windows program", peImage(pe.IMAGE_FILE_MACHINE_I386, pe.IMAGE_FILE_EXECUTABLE_IMAGE, 8), program.Target{OS: "windows", Arch: "amd64"}, []string{"32-bit", "windows/amd64"}},
		{"dynamic", elfImage(interpreter("/lib64/ld-linux-x86-64.so.2")), linux, []string{"/lib64/ld-linux-x86-64.so.2", "statically", "CGO_ENABLED=0"}},
		{"linker not there", elfImage(interpreter("/nowhere/ld.so")), hosted, []string{"/nowhere/ld.so", "does not have", "statically"}},
		{"linker relative", elfImage(interpreter("ld.so")), hosted, []string{`"ld.so"`, "no absolute path"}},
		{"object file", elfImage(elfType(elf.ET_REL)), linux, []string{"object file", "link"}},
		{"shared library", elfImage(elfType(elf.ET_DYN), entry(0)), hosted, []string{"shared library", "link"}},
		{"cut off", elfImage()[:100], linux, []string{"damaged", "cut off", "upload"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := program.Check(bytes.NewReader(tt.file), int64(len(tt.file)), tt.target)
			if nex.CodeOf(err) != nex.CodeInvalidExecutable {
				t.Fatalf("Check = %v, want an error with code %s", err, nex.CodeInvalidExecutable)
			}
			for _, want := range tt.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Check says %q, want it to mention %q", err, want)
				}
			}
		})
	}
}

func TestCheckFileMissing(t *testing.T) {
	err := program.CheckFile(filepath.Join(t.TempDir(), "nothing"), program.Target{OS: "linux", Arch: "amd64"})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("CheckFile = %v, want %v", err, fs.ErrNotExist)
	}
}

func TestTypeOf(t *testing.T) {
	tests := []struct {
		name string
		file string
		head []byte
		want nex.WorkloadType
	}{
		{"javascript", "echofunction.js", []byte("(s, p) => p"), nex.TypeV8},
		{"javascript in capitals", "ECHO.JS", nil, nex.TypeV8},
		{"module", "fn.mjs", nil, nex.TypeV8},
		{"common module", "fn.cjs", nil, nex.TypeV8},
		{"typescript", "FN.ts", nil, nex.TypeV8},
		{"typescript module", "fn.mts", nil, nex.TypeV8},
		{"javascript that begins as a program for Windows", "fn.js", []byte("MZ = 1; (s, p) => p"), nex.TypeV8},
		{"wasm by name", "dir.d/echo.wasm", nil, nex.TypeWasm},
		{"wasm by content", "echo", []byte("\x00asm\x01\x00\x00\x00"), nex.TypeWasm},
		{"elf", "echoservice", elfImage(), nex.TypeNative},
		{"mach-o", "echoservice", machoImage(macho.CpuArm64, macho.TypeExec), nex.TypeNative},
		{"pe", "echo.exe", peImage(pe.IMAGE_FILE_MACHINE_AMD64, 0, 0), nex.TypeNative},
		{"longer head than needed", "echo", append(elfImage(), make([]byte, 4096)...), nex.TypeNative},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := program.TypeOf(tt.file, tt.head)
			if err != nil || got != tt.want {
				t.Errorf("TypeOf(%q) = %q, %v, want %q", tt.file, got, err, tt.want)
			}
		})
	}
}

func TestTypeOfUnknown(t *testing.T) {
	for _, tt := range []struct {
		file string
		head string
		says string
	}{
		{"run.sh", "#!/bin/sh\n", "a script"},
		{"notes.txt", "hello", "a text file"},
		{"app.zip", "PK\x03\x04\x00", "a zip archive"},
		{"empty", "", "empty"},
		{"noise", "\x00\x00", "unknown format"},
	} {
		t.Run(tt.file, func(t *testing.T) {
			got, err := program.TypeOf("/some/dir/"+tt.file, []byte(tt.head))
			if nex.CodeOf(err) != nex.CodeInvalidExecutable {
				t.Fatalf("TypeOf = %q, %v, want an error with code %s", got, err, nex.CodeInvalidExecutable)
			}
			for _, want := range []string{tt.file, tt.says, ".js", ".ts", ".wasm", "ELF"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("TypeOf says %q, want it to mention %q", err, want)
				}
			}
		})
	}
}

// A name that promises a function does not make one of a program.
func TestTypeOfMisnamed(t *testing.T) {
	for _, tt := range []struct {
		file string
		head []byte
		says string
	}{
		{"fn.js", elfImage(), "a program (elf)"},
		{"fn.ts", machoImage(macho.CpuArm64, macho.TypeExec), "a program (macho)"},
		{"fn.MJS", peImage(pe.IMAGE_FILE_MACHINE_AMD64, 0, 0), "a program (pe)"},
		{"fn.wasm", elfImage(), "a program (elf)"},
		{"fn.js", []byte("\x00asm\x01\x00\x00\x00"), "a WebAssembly module"},
	} {
		got, err := program.TypeOf("/some/dir/"+tt.file, tt.head)
		if nex.CodeOf(err) != nex.CodeInvalidExecutable || !strings.HasPrefix(err.Error(), tt.file+" is "+tt.says) {
			t.Errorf("TypeOf(%s) = %q, %v, want that it is %s", tt.file, got, err, tt.says)
		}
	}
}
