package preflight

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
)

// headBytes is where kernels and file systems say what they are, in bytes.
const headBytes = 4096

// readHead reads the beginning of a file.
func readHead(path string) (head []byte, size int64, err error) {
	info, err := os.Stat(path) // a FIFO would block when it is opened
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, errors.New("it is no file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close() // only read
	head = make([]byte, headBytes)
	n, err := io.ReadFull(f, head)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return head[:n], info.Size(), err
}

// has reports whether the bytes are there.
func has(head []byte, at int, magic string) bool {
	return len(head) >= at+len(magic) && string(head[at:at+len(magic)]) == magic
}

// checkKernel looks whether a file is a kernel in a form that machines start: vmlinux and bzImage for amd64, Image
// for arm64.
func checkKernel(path string) error {
	head, size, err := readHead(path)
	switch {
	case err != nil:
		return err
	case has(head, 0, elf.ELFMAG) && runtime.GOARCH == "amd64":
		return checkELF(head)
	case has(head, 0x202, "HdrS") && runtime.GOARCH == "amd64":
		return vmm.CheckBzImage(head, size)
	case has(head, 0x38, "ARM\x64") && runtime.GOARCH == "arm64":
		return nil
	}
	return fmt.Errorf("it is no Linux kernel for %s", runtime.GOARCH)
}

// checkELF tells a kernel from programs and libraries for other processors, and from those that are not linked to an address.
func checkELF(head []byte) error {
	const typeAt, machineAt = 16, 18
	if len(head) < machineAt+2 || head[elf.EI_CLASS] != byte(elf.ELFCLASS64) ||
		elf.Type(binary.LittleEndian.Uint16(head[typeAt:])) != elf.ET_EXEC ||
		elf.Machine(binary.LittleEndian.Uint16(head[machineAt:])) != elf.EM_X86_64 {
		return errors.New("it is no Linux kernel for amd64")
	}
	if !highAddress(head) {
		return errors.New("it is a program, and no Linux kernel")
	}
	return nil
}

// highAddress reports whether a 64-bit ELF file has a segment where only a kernel is, in the upper half of all addresses.
func highAddress(head []byte) bool {
	const (
		headersAt, sizeAt, countAt = 32, 54, 56
		addressAt                  = 16 // in the header of a segment
		needed                     = addressAt + 8
	)
	if len(head) < countAt+2 {
		return false
	}
	at := binary.LittleEndian.Uint64(head[headersAt:])
	size := uint64(binary.LittleEndian.Uint16(head[sizeAt:]))
	for range binary.LittleEndian.Uint16(head[countAt:]) {
		if at > uint64(len(head)) || at+needed > uint64(len(head)) {
			return false
		}
		if elf.ProgType(binary.LittleEndian.Uint32(head[at:])) == elf.PT_LOAD && head[at+needed-1] >= 0x80 {
			return true
		}
		at += size
	}
	return false
}

// checkRootfs looks whether a file has a whole ext4 file system in it.
func checkRootfs(path string) error {
	const (
		superblock = 1024
		blocksLow  = superblock + 0x04
		blockShift = superblock + 0x18
		magic      = superblock + 0x38
		features   = superblock + 0x60
		blocksHigh = superblock + 0x150
		has64bit   = 0x80
		hasExtents = 0x40
		maxShift   = 6
	)
	head, size, err := readHead(path)
	if err != nil {
		return err
	}
	if len(head) < blocksHigh+4 || binary.LittleEndian.Uint16(head[magic:]) != 0xef53 || binary.LittleEndian.Uint32(head[blockShift:]) > maxShift {
		return errors.New("it is no ext4 file system")
	}
	flags := binary.LittleEndian.Uint32(head[features:])
	if flags&hasExtents == 0 {
		return errors.New("it is an ext2 or ext3 file system, and no ext4")
	}
	blocks := uint64(binary.LittleEndian.Uint32(head[blocksLow:]))
	if flags&has64bit != 0 {
		blocks |= uint64(binary.LittleEndian.Uint32(head[blocksHigh:])) << 32
	}
	shift := 10 + binary.LittleEndian.Uint32(head[blockShift:])
	if blocks == 0 || blocks > uint64(size)>>shift {
		return fmt.Errorf("it has %d bytes, which is less than its file system of %d blocks takes: it was cut", size, blocks)
	}
	return nil
}

// checkProgram looks whether a file can be a program.
func checkProgram(path string) error {
	head, _, err := readHead(path)
	if err == nil && !has(head, 0, elf.ELFMAG) && !has(head, 0, "#!") {
		err = errors.New("it is no program")
	}
	return err
}
