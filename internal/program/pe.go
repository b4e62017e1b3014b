package program

import (
	"debug/pe"
	"encoding/binary"
)

// peOffsetAt is where the DOS header says at which offset the PE header begins.
const peOffsetAt = 0x3c

// pe inspects a file that begins like a DOS program, as Windows programs do.
func (f file) pe() (Info, error) {
	info := Info{Format: FormatPE}
	dos, err := f.read("DOS header", 0, peOffsetAt+4)
	if err != nil {
		return info, err
	}
	const signature = "PE\x00\x00"
	var h pe.FileHeader
	size := len(signature) + binary.Size(h)
	at := uint64(binary.LittleEndian.Uint32(dos[peOffsetAt:]))
	raw, err := f.read("PE header", at, uint64(size))
	if err != nil {
		return info, err
	}
	if string(raw[:len(signature)]) != signature {
		return info, broken("it begins like a Windows program but has no PE header")
	}
	if err := decode(raw[len(signature):], binary.LittleEndian, &h); err != nil {
		return info, err
	}
	info.OS = "windows"
	info.Arch, info.Bits = peArch(h.Machine)
	if h.Characteristics&pe.IMAGE_FILE_DLL != 0 {
		info.Library = "a DLL"
		return info, nil
	}
	if h.Characteristics&pe.IMAGE_FILE_EXECUTABLE_IMAGE == 0 {
		info.Library = "an object file"
		return info, nil
	}
	return info, f.peSections(at+uint64(size), h)
}

// peSections checks that what the section table refers to is there.
func (f file) peSections(headers uint64, h pe.FileHeader) error {
	var s pe.SectionHeader32
	size := binary.Size(s)
	// The loader refuses more than 96 sections; a table for 65,535 would be larger than a read may be.
	table, err := f.read("section table", headers+uint64(h.SizeOfOptionalHeader), uint64(h.NumberOfSections)*uint64(size))
	if err != nil {
		return err
	}
	for ; len(table) > 0; table = table[size:] {
		if err := decode(table[:size], binary.LittleEndian, &s); err != nil {
			return err
		}
		if s.Characteristics&pe.IMAGE_SCN_CNT_UNINITIALIZED_DATA != 0 {
			continue // takes no room in the file
		}
		if !f.has(uint64(s.PointerToRawData), uint64(s.SizeOfRawData)) {
			return broken("a section of it lies beyond its end, so it was probably cut off")
		}
	}
	return nil
}

func peArch(machine uint16) (arch string, bits int) {
	switch machine {
	case pe.IMAGE_FILE_MACHINE_AMD64:
		return "amd64", 64
	case pe.IMAGE_FILE_MACHINE_ARM64:
		return "arm64", 64
	case pe.IMAGE_FILE_MACHINE_I386:
		return "386", 32
	case pe.IMAGE_FILE_MACHINE_ARMNT, pe.IMAGE_FILE_MACHINE_ARM:
		return "arm", 32
	}
	return "", 0
}
