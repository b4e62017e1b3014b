package program_test

import (
	"bytes"
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"encoding/binary"
)

// elfImage builds the headers of a 64-bit ELF file; edits change one that loads on linux/amd64 and
// is static.
func elfImage(edits ...func(*elfParts)) []byte {
	p := &elfParts{order: binary.LittleEndian}
	p.header = elf.Header64{
		Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: 1,
		Entry: 0x401000, Phoff: 64, Ehsize: 64, Phentsize: 56,
	}
	copy(p.header.Ident[:], "\x7fELF\x02\x01\x01")
	p.segments = []elf.Prog64{{Type: uint32(elf.PT_LOAD), Off: 0, Filesz: 64}}
	for _, edit := range edits {
		edit(p)
	}
	p.header.Phnum = uint16(len(p.segments))
	if p.phnum != 0 {
		p.header.Phnum = p.phnum
	}
	var b bytes.Buffer
	write(&b, p.order, p.header)
	end := uint64(64 + 56*len(p.segments))
	var tail []byte
	for _, s := range p.segments {
		if content, ok := p.content[elf.ProgType(s.Type)]; ok {
			s.Off, s.Filesz = end+uint64(len(tail)), uint64(len(content))
			tail = append(tail, content...)
		}
		write(&b, p.order, s)
	}
	b.Write(tail)
	return b.Bytes()
}

type elfParts struct {
	order    binary.ByteOrder
	header   elf.Header64
	segments []elf.Prog64
	content  map[elf.ProgType][]byte
	phnum    uint16
}

func (p *elfParts) add(t elf.ProgType, content []byte) {
	p.segments = append(p.segments, elf.Prog64{Type: uint32(t)})
	if p.content == nil {
		p.content = map[elf.ProgType][]byte{}
	}
	p.content[t] = content
}

func interpreter(path string) func(*elfParts) {
	return func(p *elfParts) { p.add(elf.PT_INTERP, []byte(path+"\x00")) }
}

func dynamic(tags ...elf.DynTag) func(*elfParts) {
	return func(p *elfParts) {
		var b bytes.Buffer
		for _, tag := range append(tags, elf.DT_NULL) {
			write(&b, p.order, elf.Dyn64{Tag: int64(tag)})
		}
		p.add(elf.PT_DYNAMIC, b.Bytes())
	}
}

func elfType(t elf.Type) func(*elfParts) { return func(p *elfParts) { p.header.Type = uint16(t) } }
func elfMachine(m elf.Machine) func(*elfParts) {
	return func(p *elfParts) { p.header.Machine = uint16(m) }
}

func elfABI(abi elf.OSABI) func(*elfParts) {
	return func(p *elfParts) { p.header.Ident[elf.EI_OSABI] = byte(abi) }
}
func entry(at uint64) func(*elfParts) { return func(p *elfParts) { p.header.Entry = at } }

func bigEndian(p *elfParts) {
	p.order = binary.BigEndian
	p.header.Ident[elf.EI_DATA] = byte(elf.ELFDATA2MSB)
}

func elf32() []byte {
	b := elfImage(elfMachine(elf.EM_386))
	b[elf.EI_CLASS] = byte(elf.ELFCLASS32)
	return b[:52]
}

// machoImage builds the header of a Mach-O file.
func machoImage(cpu macho.Cpu, t macho.Type) []byte {
	var b bytes.Buffer
	h := macho.FileHeader{Magic: macho.Magic64, Cpu: cpu, Type: t, Cmdsz: 8}
	if cpu == macho.Cpu386 {
		h.Magic = macho.Magic32
	}
	write(&b, binary.LittleEndian, h)
	b.Write(make([]byte, 16))
	return b.Bytes()
}

func fatImage(images ...[]byte) []byte {
	var b bytes.Buffer
	write(&b, binary.BigEndian, []uint32{macho.MagicFat, uint32(len(images))})
	offset := 8 + 20*len(images)
	for _, image := range images {
		write(&b, binary.BigEndian, macho.FatArchHeader{Offset: uint32(offset), Size: uint32(len(image))})
		offset += len(image)
	}
	for _, image := range images {
		b.Write(image)
	}
	return b.Bytes()
}

// peImage builds the headers of a Windows program with one section.
func peImage(machine, characteristics uint16, sectionSize uint32) []byte {
	var b bytes.Buffer
	b.WriteString("MZ")
	b.Write(make([]byte, 0x3a))
	write(&b, binary.LittleEndian, uint32(0x40))
	b.WriteString("PE\x00\x00")
	write(&b, binary.LittleEndian, pe.FileHeader{Machine: machine, NumberOfSections: 1, Characteristics: characteristics})
	write(&b, binary.LittleEndian, pe.SectionHeader32{PointerToRawData: 0, SizeOfRawData: sectionSize})
	return b.Bytes()
}

func write(b *bytes.Buffer, order binary.ByteOrder, v any) {
	if err := binary.Write(b, order, v); err != nil {
		panic(err)
	}
}
