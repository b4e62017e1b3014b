package program

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"io"
)

// The header and its tables are read here rather than by debug/elf.NewFile: that reads every
// section of the file, which a program does not need in order to run, and so neither do we.

// maxInterpreter is the longest path that linux takes for a dynamic linker.
const maxInterpreter = 4096

// elfHeader is the part of the file header that matters, of 64-bit files.
type elfHeader struct {
	elf.Header64
	order binary.ByteOrder
}

// elf inspects a file that begins like an ELF file.
func (f file) elf() (Info, error) {
	info := Info{Format: FormatELF}
	ident, err := f.read("ELF header", 0, 20)
	if err != nil {
		return info, err
	}
	var order binary.ByteOrder
	switch elf.Data(ident[elf.EI_DATA]) {
	case elf.ELFDATA2LSB:
		order = binary.LittleEndian
	case elf.ELFDATA2MSB:
		order = binary.BigEndian
	default:
		return info, broken("its ELF header says no byte order")
	}
	info.OS = elfOS(elf.OSABI(ident[elf.EI_OSABI]))
	info.Arch = elfArch(elf.Machine(order.Uint16(ident[18:])), order == binary.LittleEndian)
	switch elf.Class(ident[elf.EI_CLASS]) {
	case elf.ELFCLASS32:
		// Nothing runs these, so nothing more needs to be known.
		info.Bits = 32
		return info, nil
	case elf.ELFCLASS64:
		info.Bits = 64
	default:
		return info, broken("its ELF header is for neither 32 nor 64 bits")
	}
	header := elfHeader{order: order}
	raw, err := f.read("ELF header", 0, uint64(binary.Size(header.Header64)))
	if err != nil {
		return info, err
	}
	if err := decode(raw, order, &header.Header64); err != nil {
		return info, err
	}
	return f.elfProgram(info, header)
}

// elfProgram completes info by the file's type and its program headers.
func (f file) elfProgram(info Info, h elfHeader) (Info, error) {
	switch elf.Type(h.Type) {
	case elf.ET_EXEC, elf.ET_DYN:
	case elf.ET_REL:
		info.Library = "an object file"
		return info, nil
	case elf.ET_CORE:
		info.Library = "a core dump"
		return info, nil
	default:
		return info, broken("its ELF header has the unknown type %d", h.Type)
	}
	segments, err := f.elfSegments(h)
	if err != nil {
		return info, err
	}
	if segments.interpreter != nil {
		info.Interpreter, err = f.elfInterpreter(*segments.interpreter)
		if err != nil {
			return info, err
		}
	}
	info.Static = info.Interpreter == ""
	if info.Static && elf.Type(h.Type) == elf.ET_DYN {
		// Without a dynamic linker a position-independent file is either a static program, which has
		// an entry point and needs no other library, or a library.
		needs, err := f.elfNeeds(segments.dynamic, h.order)
		if err != nil {
			return info, err
		}
		if h.Entry == 0 || needs {
			info.Static, info.Library = false, "a shared library"
		}
	}
	return info, nil
}

// elfSegments are the segments of a program that decide how it is loaded.
type elfSegments struct {
	interpreter, dynamic *elf.Prog64
}

func (f file) elfSegments(h elfHeader) (elfSegments, error) {
	var found elfSegments
	var p elf.Prog64
	size := binary.Size(p)
	if h.Phnum == 0 {
		return found, broken("it has no program headers")
	}
	if int(h.Phentsize) != size {
		return found, broken("its program headers have %d bytes each instead of %d", h.Phentsize, size)
	}
	// The kernel refuses more than 64 KiB of them too.
	table, err := f.read("program header table", h.Phoff, uint64(h.Phnum)*uint64(size))
	if err != nil {
		return found, err
	}
	loads := false
	for ; len(table) > 0; table = table[size:] {
		p := new(elf.Prog64)
		if err := decode(table[:size], h.order, p); err != nil {
			return found, err
		}
		switch elf.ProgType(p.Type) {
		case elf.PT_LOAD:
			loads = true
			if !f.has(p.Off, p.Filesz) {
				return found, broken("a segment of it lies beyond its end, so it was probably cut off")
			}
		case elf.PT_INTERP:
			found.interpreter = p
		case elf.PT_DYNAMIC:
			found.dynamic = p
		}
	}
	if !loads {
		return found, broken("it has no segment to load")
	}
	return found, nil
}

func (f file) elfInterpreter(p elf.Prog64) (string, error) {
	if p.Filesz < 2 || p.Filesz > maxInterpreter {
		return "", broken("the path of its dynamic linker has %d bytes", p.Filesz)
	}
	b, err := f.read("dynamic linker's path", p.Off, p.Filesz)
	if err != nil {
		return "", err
	}
	path, _, ended := bytes.Cut(b, []byte{0})
	if !ended || len(path) == 0 {
		return "", broken("the path of its dynamic linker has no end or is empty")
	}
	return string(path), nil
}

// elfNeeds reports whether the dynamic section says that the file is a library or needs one.
func (f file) elfNeeds(dynamic *elf.Prog64, order binary.ByteOrder) (bool, error) {
	if dynamic == nil {
		return false, nil
	}
	var entry elf.Dyn64
	size := binary.Size(entry)
	table, err := f.read("dynamic section", dynamic.Off, dynamic.Filesz)
	if err != nil {
		return false, err
	}
	for ; len(table) >= size; table = table[size:] {
		if err := decode(table[:size], order, &entry); err != nil {
			return false, err
		}
		switch elf.DynTag(entry.Tag) {
		case elf.DT_NULL:
			return false, nil
		case elf.DT_NEEDED, elf.DT_SONAME:
			return true, nil
		}
	}
	return false, nil
}

// decode reads a structure of fixed size.
func decode(b []byte, order binary.ByteOrder, into any) error {
	if err := binary.Read(bytes.NewReader(b), order, into); err != nil && err != io.EOF {
		return broken("a header of it cannot be read: %v", err)
	}
	return nil
}

// elfOS names the system of a file. Linux programs mostly say that they are for System V.
func elfOS(abi elf.OSABI) string {
	switch abi {
	case elf.ELFOSABI_NONE, elf.ELFOSABI_LINUX:
		return "linux"
	case elf.ELFOSABI_FREEBSD:
		return "freebsd"
	case elf.ELFOSABI_NETBSD:
		return "netbsd"
	case elf.ELFOSABI_OPENBSD:
		return "openbsd"
	case elf.ELFOSABI_SOLARIS:
		return "solaris"
	}
	return ""
}

func elfArch(m elf.Machine, little bool) string {
	switch m {
	case elf.EM_X86_64:
		return "amd64"
	case elf.EM_AARCH64:
		return "arm64"
	case elf.EM_386:
		return "386"
	case elf.EM_ARM:
		return "arm"
	case elf.EM_RISCV:
		return "riscv64"
	case elf.EM_S390:
		return "s390x"
	case elf.EM_LOONGARCH:
		return "loong64"
	case elf.EM_PPC64:
		if little {
			return "ppc64le"
		}
		return "ppc64"
	}
	return ""
}
