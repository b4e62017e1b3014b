package guest

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
)

// version is that of what node and init say to each other.
const version = 1

// Each magic number begins with a byte that it does not have again, and that is no version of yamux.
var (
	magicNode = [...]byte{0xf5, 'n', 'e', 'x', ' ', 'n', 'o', 'd', 'e', 0x9c, 0x1d, 0x83, 0x60, 0xb2, 0x4e, 0x07}
	magicInit = [...]byte{0xf6, 'n', 'e', 'x', ' ', 'i', 'n', 'i', 't', 0x31, 0xe8, 0x5a, 0xc4, 0x0f, 0x97, 0xd6}
)

const (
	magicBytes = len(magicNode)
	nonceBytes = 16
	// readAhead is what each of the readers on top of a stream may have read of it and not used.
	readAhead = 4096
	// paddingBytes complete the frame that an earlier session has begun, begin one that is none, and fill
	// what readers have then read ahead.
	paddingBytes = maxWrite + 2*headerBytes + 3*readAhead
)

// padding is of no version of yamux.
var padding = bytes.Repeat([]byte{0xff}, paddingBytes)

// syncNode is the node's part of the synchronization. The reader reads on behind it.
func syncNode(rw io.ReadWriter) (*bufio.Reader, error) {
	var nonce [nonceBytes]byte
	_, _ = rand.Read(nonce[:]) // it never fails
	hello := append(append(append(bytes.Clone(padding), magicNode[:]...), nonce[:]...), version)
	// The VM may not read yet, and a serial port may have to be emptied before it can.
	written := make(chan error, 1)
	go func() {
		_, err := rw.Write(hello)
		written <- err
	}() // ends with the connection, at the latest
	r := bufio.NewReaderSize(rw, readAhead)
	if err := discardUntil(r, append(magicInit[:magicBytes:magicBytes], nonce[:]...)); err != nil {
		return nil, err
	}
	theirs, err := r.ReadByte()
	if err != nil {
		return nil, unexpected(err)
	}
	if theirs != version {
		return nil, fmt.Errorf("the init of the VM speaks version %d, and this node version %d: make the root file system and the initramfs with this version of nex", theirs, version)
	}
	return r, <-written
}

// syncInit is the init's part of the synchronization. The reader reads on behind it.
func syncInit(rw io.ReadWriter) (*bufio.Reader, error) {
	r := bufio.NewReaderSize(rw, readAhead)
	for {
		if err := discardUntil(r, magicNode[:]); err != nil {
			return nil, err
		}
		var said [nonceBytes + 1]byte
		if _, err := io.ReadFull(r, said[:]); err != nil {
			return nil, unexpected(err)
		}
		answer := append(append(magicInit[:magicBytes:magicBytes], said[:nonceBytes]...), version)
		if _, err := rw.Write(answer); err != nil {
			return nil, err
		}
		if said[nonceBytes] == version {
			return r, nil
		}
		// A node of another version goes away when it reads the answer.
	}
}

// discardUntil reads up to the end of the pattern, whose first byte it has only once in its first magicBytes.
func discardUntil(r io.ByteReader, pattern []byte) error {
	window := make([]byte, len(pattern))
	at := 0 // of the oldest byte
	for {
		c, err := r.ReadByte()
		if err != nil {
			return err
		}
		window[at] = c
		at = (at + 1) % len(window)
		if c == pattern[len(pattern)-1] && bytes.Equal(window[at:], pattern[:len(pattern)-at]) && bytes.Equal(window[:at], pattern[len(pattern)-at:]) {
			return nil
		}
	}
}
