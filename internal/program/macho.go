package program

import (
	"debug/macho"
	"encoding/binary"
	"slices"
)

// maxFat bounds the architectures of a file for several. A Java class file begins with the same four
// bytes; where a Mach-O file has their number it has its version, which is 45 or more.
const maxFat = 30

func isMachO(head []byte) bool {
	if len(head) < 8 {
		return false
	}
	if magic := binary.BigEndian.Uint32(head); magic == macho.MagicFat {
		n := binary.BigEndian.Uint32(head[4:])
		return n > 0 && n <= maxFat
	}
	return machoOrder(head) != nil
}

// machoOrder returns the byte order of a Mach-O file for one architecture, nil if it is none.
func machoOrder(head []byte) binary.ByteOrder {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		if magic := order.Uint32(head); magic == macho.Magic32 || magic == macho.Magic64 {
			return order
		}
	}
	return nil
}

// macho inspects a file that begins like a Mach-O file.
func (f file) macho() (Info, error) {
	head, err := f.read("Mach-O header", 0, 8)
	if err != nil {
		return Info{Format: FormatMachO}, err
	}
	if binary.BigEndian.Uint32(head) != macho.MagicFat {
		return f.machoAt(0, uint64(f.size))
	}
	return f.fat(int(binary.BigEndian.Uint32(head[4:])))
}

// fat inspects a file for n architectures.
func (f file) fat(n int) (Info, error) {
	const entry = 20 // size of a macho.FatArchHeader
	table, err := f.read("table of architectures", 8, uint64(n)*entry)
	if err != nil {
		return Info{Format: FormatMachO}, err
	}
	var first Info
	for i := range n {
		var h macho.FatArchHeader
		if err := decode(table[i*entry:(i+1)*entry], binary.BigEndian, &h); err != nil {
			return first, err
		}
		info, err := f.machoAt(uint64(h.Offset), uint64(h.Size))
		if err != nil {
			return info, err
		}
		if i == 0 {
			first = info
		}
		if info.Bits == 64 && info.Library == "" && !slices.Contains(first.Arches, info.Arch) {
			first.Arches = append(first.Arches, info.Arch)
			first.Bits = info.Bits
		}
	}
	return first, nil
}

// machoAt inspects the size bytes at offset, which hold the code for one architecture.
func (f file) machoAt(offset, size uint64) (Info, error) {
	info := Info{Format: FormatMachO, OS: "darwin"}
	if !f.has(offset, size) {
		return info, broken("the code for an architecture lies beyond its end, so it was probably cut off")
	}
	raw, err := f.read("Mach-O header", offset, 28) // without the padding of 64-bit files
	if err != nil {
		return info, err
	}
	order := machoOrder(raw)
	if order == nil {
		return info, broken("the code for an architecture has no Mach-O header")
	}
	var h macho.FileHeader
	if err := decode(raw, order, &h); err != nil {
		return info, err
	}
	info.Bits = 32
	commands := offset + 28
	if h.Magic == macho.Magic64 {
		info.Bits, commands = 64, commands+4
	}
	info.Arch = machoArch(h.Cpu)
	switch h.Type {
	case macho.TypeExec:
	case macho.TypeObj:
		info.Library = "an object file"
	case macho.TypeDylib, macho.TypeBundle:
		info.Library = "a shared library"
	default:
		return info, broken("its Mach-O header has the unknown type %d", uint32(h.Type))
	}
	if !f.has(commands, uint64(h.Cmdsz)) {
		return info, broken("its load commands lie beyond its end, so it was probably cut off")
	}
	return info, nil
}

func machoArch(cpu macho.Cpu) string {
	switch cpu {
	case macho.CpuAmd64:
		return "amd64"
	case macho.CpuArm64:
		return "arm64"
	case macho.Cpu386:
		return "386"
	case macho.CpuArm:
		return "arm"
	case macho.CpuPpc64:
		return "ppc64"
	}
	return ""
}
