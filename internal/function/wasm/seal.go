package wasm

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
)

// A sealed file is what the compiler has written, and after that
//
//	identity, 32 bytes | sha256 of all before | sealMagic
const (
	sealMagic       = "nexwasm1"
	sealSize  int64 = sha256.Size + sha256.Size + int64(len(sealMagic))
)

var errSeal = errors.New("the compiled code is damaged, or of another kind")

// seal appends the seal to what was compiled.
func seal(code []byte, identity cacheKey) []byte {
	sealed := append(code, identity[:]...)
	sum := sha256.Sum256(sealed)
	return append(append(sealed, sum[:]...), sealMagic...)
}

// readBuffer is how much of a file is read at one time.
const readBuffer = 256 << 10

// unseal opens a sealed file if it is whole and has the identity. The caller closes what it returns.
func unseal(path string, identity cacheKey) (_ io.ReadCloser, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	size, err := checkSeal(f, identity)
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return unsealed{bufio.NewReaderSize(io.LimitReader(f, size), readBuffer), f}, nil
}

type unsealed struct {
	*bufio.Reader
	io.Closer
}

// checkSeal returns how much the compiler has written of a file that is whole.
func checkSeal(f io.ReadSeeker, identity cacheKey) (size int64, err error) {
	size, err = f.Seek(-sealSize, io.SeekEnd)
	if err != nil {
		return 0, err // it is shorter
	}
	var end [sealSize]byte
	if _, err := io.ReadFull(f, end[:]); err != nil {
		return 0, err
	}
	if !bytes.Equal(end[:sha256.Size], identity[:]) || string(end[2*sha256.Size:]) != sealMagic {
		return 0, errSeal
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	h := sha256.New()
	if _, err := io.CopyBuffer(h, io.LimitReader(f, size+sha256.Size), make([]byte, readBuffer)); err != nil {
		return 0, err
	}
	if !bytes.Equal(h.Sum(nil), end[sha256.Size:2*sha256.Size]) {
		return 0, errSeal
	}
	return size, nil
}
