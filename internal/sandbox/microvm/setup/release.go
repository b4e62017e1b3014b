package setup

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
)

// Where a bzImage says which release it is, as the kernel's documentation of its boot protocol has it.
const (
	magicAt   = 0x202
	magic     = "HdrS"
	versionAt = 0x20e // the offset of a string of which the first word is the release, less base; or 0
	base      = 0x200
)

const (
	headBytes  = base + 1<<16 // the most that an offset there can be
	maxRelease = 128
)

// kernelRelease reads which release a kernel is, as uname -r says it. It is empty if that cannot be read.
func kernelRelease(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return "" // which others say
	}
	defer f.Close() // only read
	head := make([]byte, headBytes+maxRelease)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return ""
	}
	return releaseOf(head[:n])
}

func releaseOf(head []byte) string {
	if len(head) < versionAt+2 || string(head[magicAt:magicAt+len(magic)]) != magic {
		return ""
	}
	offset := int(binary.LittleEndian.Uint16(head[versionAt:]))
	if offset == 0 || base+offset >= len(head) {
		return ""
	}
	text := head[base+offset:]
	end := bytes.IndexAny(text[:min(len(text), maxRelease)], " \x00")
	if end < 0 {
		return ""
	}
	for _, b := range text[:end] {
		if b < '!' || b > '~' {
			return ""
		}
	}
	return string(text[:end])
}
