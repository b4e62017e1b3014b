package sandboxdir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// copyChunk is how much is copied between two looks at whether the copy is still wanted.
const copyChunk = 16 << 20

// Copy puts a copy of the regular file from at to, with these permissions, whatever the umask. It is a copy and
// no link, for whoever uses it must not be able to change the file itself, which may have other permissions.
// Where the file system can, the copy shares blocks until either is written to. Copy asks from time to time
// whether the copy is still wanted, and fails with the error that it is told. The copy is there whole or not
// at all: it is written to the file part, on the same file system. What is at part before is of a copy that was
// not finished, because its node was killed, and goes away.
func Copy(from, part, to string, mode fs.FileMode, wanted func() error) error {
	if err := wanted(); err != nil {
		return err
	}
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close() // only read
	if info, err := src.Stat(); err != nil {
		return err
	} else if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file", from)
	}
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err = copyChunks(part, src, wanted)
	if err == nil {
		err = os.Chmod(part, mode)
	}
	if err == nil {
		err = os.Rename(part, to)
	}
	if err != nil {
		_ = os.Remove(part)
	}
	return err
}

func copyChunks(to string, src *os.File, wanted func() error) error {
	for written := int64(0); ; {
		if err := wanted(); err != nil {
			return err
		}
		n, err := copyNext(to, written, src)
		if err != nil || n == 0 {
			return err
		}
		written += n
	}
}

// copyNext copies the next part of src to the file at an offset; at 0 it makes the file.
//
// As long as anybody has a file open for writing, the kernel does not run it, and a child that we
// start has all our open files until some time after it has become another program. So no child may
// be started while we have it open: this is what the lock is for. It is the reason for chunks, too.
func copyNext(to string, offset int64, src *os.File) (n int64, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	flags := os.O_WRONLY
	if offset == 0 {
		flags |= os.O_CREATE | os.O_EXCL
	}
	dst, err := os.OpenFile(to, flags, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	if _, err := dst.Seek(offset, io.SeekStart); err != nil {
		return 0, err
	}
	return dst.ReadFrom(io.LimitReader(src, copyChunk))
}
