package program

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Target is where a program shall run.
type Target struct {
	// OS and Arch are as GOOS and GOARCH name them.
	OS, Arch string
	// HostLibraries says that the program will see this machine's shared libraries. Without them it
	// has to be statically linked.
	HostLibraries bool
}

func (t Target) String() string { return t.OS + "/" + t.Arch }

// CheckFile is [Check] for a file on disk.
func CheckFile(path string, t Target) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open the artifact: %w", err)
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return fmt.Errorf("open the artifact: %w", err)
	}
	return Check(f, stat.Size(), t)
}

// Check returns nil if the size bytes of r are a native program that can run on t. Otherwise the
// error is a [nex.Error] with code invalid_executable whose sentence says what the file is and what
// to do; any other error is a failed read. With t.HostLibraries it looks on this machine for the
// program's dynamic linker.
func Check(r io.ReaderAt, size int64, t Target) error {
	info, err := Inspect(r, size)
	if err != nil {
		return err
	}
	switch info.Format {
	case FormatELF, FormatMachO, FormatPE:
		return checkProgram(info, t)
	case FormatUnknown:
		head, err := readUpTo(r, 0, min(headSize, size))
		if err != nil {
			return fmt.Errorf("read the artifact: %w", err)
		}
		if is := container(head); is != "" {
			return refuse("the artifact is %s: deploy the program itself, built for %s", is, t)
		}
	}
	return refuseFormat(info, t)
}

// refuseFormat refuses what is not native code at all.
func refuseFormat(info Info, t Target) error {
	switch info.Format {
	case FormatEmpty:
		return refuse("the artifact is empty: upload the program again")
	case FormatScript:
		by := "a script"
		if info.Interpreter != "" {
			by = fmt.Sprintf("a script for %q", clip(info.Interpreter))
		}
		return refuse("the artifact is %s, which a node cannot run: deploy a program built for %s", by, t)
	case FormatText:
		return refuse("the artifact is a text file, not a program: deploy a program built for %s, or JavaScript with type v8", t)
	case FormatWasm:
		return refuse("the artifact is a WebAssembly module: deploy it with type wasm")
	default:
		return refuse("the artifact is not a program in any known format: deploy one built for %s", t)
	}
}

// checkProgram compares a program with where it shall run.
func checkProgram(info Info, t Target) error {
	switch {
	case info.Library != "":
		return refuse("the artifact is %s, not a program: link it into a program for %s", info.Library, t)
	case info.OS != t.OS:
		return refuse("the artifact is a program for %s but runs on %s here: build it for that system%s", built(info), t, goHint(t))
	case info.Bits == 32:
		return refuse("the artifact is a 32-bit program (%s): build it for %s%s", built(info), t, goHint(t))
	case !info.RunsOn(t.Arch):
		return refuse("the artifact is a program for %s but runs on %s here: build it for that architecture%s", built(info), t, goHint(t))
	case info.Format == FormatELF && !info.Static:
		return checkLinker(info, t)
	}
	return nil
}

// checkLinker decides about a program that needs a dynamic linker.
func checkLinker(info Info, t Target) error {
	const static = "build it statically (Go: CGO_ENABLED=0 and no -buildmode=pie; Rust: a musl target; C: -static)"
	linker := clip(info.Interpreter)
	if !t.HostLibraries {
		return refuse("the artifact is dynamically linked (it needs %q), and the sandbox has no shared libraries: %s", linker, static)
	}
	if !filepath.IsAbs(info.Interpreter) {
		return refuse("the artifact names the dynamic linker %q, which is no absolute path: %s", linker, static)
	}
	if _, err := os.Stat(info.Interpreter); err != nil {
		return refuse("the artifact needs the dynamic linker %q, which this machine does not have: %s, or install the C library it was built with", linker, static)
	}
	return nil
}

// built says what a program was built for, as far as that is known.
func built(info Info) string {
	system, arch := info.OS, strings.Join(info.Arches, ",")
	if system == "" {
		system = "an unknown system"
	}
	if arch == "" {
		arch = info.Arch
	}
	if arch == "" {
		arch = "an unknown architecture"
	}
	return system + "/" + arch
}

func goHint(t Target) string {
	return fmt.Sprintf(" (Go: GOOS=%s GOARCH=%s)", t.OS, t.Arch)
}

// clip shortens a string from a file for use in a message.
func clip(s string) string {
	const most = 128
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
