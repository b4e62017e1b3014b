package ext4

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Used is how much of a file system is taken, in bytes, which was made by this package and may have been written to
// since.
func Used(r io.ReaderAt) (int64, error) {
	var sb superblock
	b := make([]byte, binary.Size(sb))
	if _, err := r.ReadAt(b, superblockAt); err != nil {
		return 0, fmt.Errorf("read the superblock of a file system: %w", err)
	}
	if err := binary.Read(bytes.NewReader(b), binary.LittleEndian, &sb); err != nil {
		return 0, fmt.Errorf("read the superblock of a file system: %w", err)
	}
	if sb.Magic != superMagic || sb.LogBlockSize != logBlockSize || sb.FreeBlocks > sb.Blocks {
		return 0, errors.New("it is no file system of this package")
	}
	return int64(sb.Blocks-sb.FreeBlocks) * blockSize, nil
}
