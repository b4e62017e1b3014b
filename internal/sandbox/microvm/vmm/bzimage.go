package vmm

import (
	"encoding/binary"
	"fmt"
)

// CheckBzImage refuses a bzImage, of which this is the beginning, that has been cut: the boot protocol of Linux on x86
// says how much there is of real-mode code, in sectors, and of the rest, in units of 16 bytes. Of other files it says
// nothing.
func CheckBzImage(head []byte, size int64) error {
	const (
		sectorsAt, restAt, magicAt = 0x1f1, 0x1f4, 0x202
		magic                      = "HdrS"
		sector, unit               = 512, 16
	)
	if len(head) < magicAt+len(magic) || string(head[magicAt:magicAt+len(magic)]) != magic {
		return nil
	}
	sectors := int64(head[sectorsAt])
	if sectors == 0 {
		sectors = 4
	}
	if want := (1+sectors)*sector + int64(binary.LittleEndian.Uint32(head[restAt:]))*unit; size < want {
		return fmt.Errorf("it has %d bytes, and says that it has %d: it is cut, so get it anew", size, want)
	}
	return nil
}
