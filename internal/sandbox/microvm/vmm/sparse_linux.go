package vmm

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// CopySparse copies what a file has to an empty one, and leaves out its holes.
func CopySparse(to, from *os.File) error {
	info, err := from.Stat()
	if err != nil {
		return err
	}
	if err := to.Truncate(info.Size()); err != nil {
		return err
	}
	for at := int64(0); at < info.Size(); {
		begin, err := from.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil // there is a hole to the end
		}
		if err != nil {
			return err
		}
		if at, err = from.Seek(begin, unix.SEEK_HOLE); err != nil {
			return err
		}
		if _, err := io.Copy(io.NewOffsetWriter(to, begin), io.NewSectionReader(from, begin, at-begin)); err != nil {
			return err
		}
	}
	return nil
}
