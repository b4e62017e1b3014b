package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// stageChunk is how much is copied between two looks at whether the copy is still wanted.
const stageChunk = 16 << 20

// copyArtifact copies from to to, which must not exist, with the permissions of a program that its
// user can read and run. It is a copy and no link: the workload runs as our user, and could change
// the cached file through a link. Where the file system can, the copy shares blocks until either is
// written to. It asks from time to time whether the copy is still wanted, and fails with the error
// that it is told. The copy is there whole and ready to run, or not at all.
func copyArtifact(from, to string, wanted func() error) error {
	if err := wanted(); err != nil {
		return err
	}
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	if info, err := src.Stat(); err != nil {
		return err
	} else if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file", from)
	}
	part := to + ".part"
	err = copyChunks(part, src, wanted)
	if err == nil {
		err = os.Chmod(part, 0o500)
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
		n, err := copyChunk(to, written, src)
		if err != nil || n == 0 {
			return err
		}
		written += n
	}
}

// copyChunk copies the next part of src to the file at an offset; at 0 it makes the file.
//
// As long as anybody has a file open for writing, the kernel does not run it, and a child that we
// start has all our open files until some time after it has become another program. So no child may
// be started while we have it open: this is what the lock is for. It is the reason for chunks, too.
func copyChunk(to string, offset int64, src *os.File) (n int64, err error) {
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
	return dst.ReadFrom(io.LimitReader(src, stageChunk))
}
