package program

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	nex "github.com/nex-engine/nex"
)

// Format is the kind of a file.
type Format string

// The formats that are told apart.
const (
	FormatELF     Format = "elf"
	FormatMachO   Format = "macho"
	FormatPE      Format = "pe"
	FormatWasm    Format = "wasm"
	FormatScript  Format = "script" // begins with #!
	FormatText    Format = "text"   // JavaScript among others: text does not say what it is
	FormatEmpty   Format = "empty"
	FormatUnknown Format = "unknown"
)

// Info is what a file says about itself. Fields that the format does not know are zero.
type Info struct {
	Format Format
	// OS and Arch are what the program was built for, as GOOS and GOARCH name them. They are empty
	// for one that has no such name.
	OS, Arch string
	// Arches are the architectures of a Mach-O file for several; Arch is then the first of them.
	Arches []string
	// Bits is 32 or 64.
	Bits int
	// Static says that an ELF program needs no dynamic linker.
	Static bool
	// Interpreter is the dynamic linker that an ELF program names, or the program that a script does.
	Interpreter string
	// Library says that the file is executable code but not a program; the value says what it is.
	Library string
}

// RunsOn reports whether the program was built for the architecture.
func (i Info) RunsOn(arch string) bool {
	if i.Arch == arch {
		return arch != ""
	}
	for _, a := range i.Arches {
		if a == arch {
			return true
		}
	}
	return false
}

// headSize is how much of a file's beginning decides its format.
const headSize = 512

// Inspect says what the size bytes of r are. It reads headers only. The error is a [nex.Error] with
// code invalid_executable for an executable that is broken, and any other for a failed read.
func Inspect(r io.ReaderAt, size int64) (Info, error) {
	if size <= 0 {
		return Info{Format: FormatEmpty}, nil
	}
	head, err := readUpTo(r, 0, min(headSize, size))
	if err != nil {
		return Info{}, fmt.Errorf("read the artifact: %w", err)
	}
	f := file{r: r, size: size}
	switch format := formatOf(head); format {
	case FormatELF:
		return f.elf()
	case FormatMachO:
		return f.macho()
	case FormatPE:
		return f.pe()
	case FormatScript:
		return Info{Format: format, Interpreter: scriptInterpreter(head)}, nil
	default:
		return Info{Format: format}, nil
	}
}

// formatOf goes by the first bytes alone.
func formatOf(head []byte) Format {
	switch {
	case len(head) == 0:
		return FormatEmpty
	case bytes.HasPrefix(head, []byte("\x7fELF")):
		return FormatELF
	case isMachO(head):
		return FormatMachO
	case bytes.HasPrefix(head, []byte("MZ")):
		return FormatPE
	case bytes.HasPrefix(head, []byte("\x00asm")):
		return FormatWasm
	case bytes.HasPrefix(head, []byte("#!")):
		return FormatScript
	case isText(head):
		return FormatText
	default:
		return FormatUnknown
	}
}

// file is a file under inspection.
type file struct {
	r    io.ReaderAt
	size int64
}

// maxRead bounds a single read: more than any header that matters.
const maxRead = 64 << 10

// read returns n bytes at offset. A range that is not in the file, or is larger than any header
// may be, is the file's fault: what names what was to be found there.
func (f file) read(what string, offset, n uint64) ([]byte, error) {
	if n > maxRead {
		return nil, broken("its %s has %d bytes", what, n)
	}
	if !f.has(offset, n) {
		return nil, broken("its %s lies beyond its end, so it was probably cut off", what)
	}
	b, err := readUpTo(f.r, int64(offset), int64(n))
	if err != nil {
		return nil, fmt.Errorf("read the artifact's %s: %w", what, err)
	}
	if uint64(len(b)) < n {
		return nil, broken("its %s lies beyond its end, so it was probably cut off", what)
	}
	return b, nil
}

// has reports whether the file has n bytes at offset.
func (f file) has(offset, n uint64) bool {
	size := uint64(f.size)
	return offset <= size && n <= size-offset
}

func readUpTo(r io.ReaderAt, offset, n int64) ([]byte, error) {
	b := make([]byte, n)
	got, err := r.ReadAt(b, offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b[:got], nil
}

// broken refuses a file that begins like an executable and is none.
func broken(format string, args ...any) error {
	return refuse("the artifact is a damaged executable: "+format+"; build it again and upload it again", args...)
}

func refuse(format string, args ...any) error {
	return nex.Errorf(nex.CodeInvalidExecutable, format, args...)
}
