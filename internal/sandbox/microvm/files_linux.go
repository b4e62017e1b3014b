package microvm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
)

// findFile returns the absolute path of a file.
func findFile(what, option, path string) (string, error) {
	if path == "" {
		return "", fmt.Errorf("sandbox driver microvm: the %s is missing: set %s, or run nex node preflight", what, option)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("sandbox driver microvm: find the %s %s: %w", what, path, err)
	}
	return abs, nil
}

// checkFiles refuses files that no machine can be started with.
func (d *Driver) checkFiles() error {
	if err := CheckKernel(d.kernel); err != nil {
		return err
	}
	if d.initrd != "" {
		if err := checkFile("initrd", d.initrd, isFilled); err != nil {
			return err
		}
	}
	return checkFile("root file system", d.rootfs, isExt4)
}

// header is what is read of the beginning of a file.
const header = 2048

// checkFile opens a file and looks at its beginning.
func checkFile(what, path string, is func(head []byte, size int64) error) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("the %s cannot be read: %w", what, err)
	}
	defer f.Close() // only read
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no file")
	}
	head := make([]byte, header)
	if err == nil {
		var n int
		n, err = io.ReadFull(f, head)
		head = head[:n]
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			err = nil // it is short, which may be all that is wrong
		}
	}
	if err == nil {
		err = is(head, info.Size())
	}
	if err != nil {
		return fmt.Errorf("the %s %s cannot be used: %w", what, path, err)
	}
	return nil
}

// CheckKernel refuses a file that cannot be the kernel of a machine.
func CheckKernel(path string) error { return checkFile("kernel", path, isKernel) }

// isKernel is for the forms that kernels for machines have: bzImage and ELF for amd64, Image for arm64.
func isKernel(head []byte, size int64) error {
	for _, form := range []struct {
		at    int
		magic string
	}{{0x202, "HdrS"}, {0, "\x7fELF"}, {0x38, "ARM\x64"}} {
		if end := form.at + len(form.magic); len(head) >= end && string(head[form.at:end]) == form.magic {
			return vmm.CheckBzImage(head, size)
		}
	}
	return errors.New("it is no kernel: take a bzImage or vmlinux, such as /boot/vmlinuz of Debian's linux-image-cloud-amd64")
}

func isFilled(_ []byte, size int64) error {
	if size == 0 {
		return errors.New("it is empty: make it with nex rootfs")
	}
	return nil
}

// isExt4 looks at the superblock.
func isExt4(head []byte, size int64) error {
	const (
		superblock = 1024
		blocks     = superblock + 4
		blockShift = superblock + 24
		magic      = superblock + 56
	)
	if len(head) < header || binary.LittleEndian.Uint16(head[magic:]) != 0xef53 {
		return errors.New("it is no ext4 file system: make one with nex rootfs")
	}
	shift := binary.LittleEndian.Uint32(head[blockShift:])
	wanted := int64(binary.LittleEndian.Uint32(head[blocks:])) << (10 + min(shift, 6))
	if wanted == 0 || size < wanted {
		return fmt.Errorf("it has %d bytes, and its file system %d: it is cut, so make it anew with nex rootfs", size, wanted)
	}
	return nil
}
