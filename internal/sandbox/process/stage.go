package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// stageChunk is how much is copied between two looks at whether the copy is still wanted.
const stageChunk = 64 << 20

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
	dst, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(copyChunks(dst, src, wanted), dst.Chmod(0o500), dst.Close())
	if err == nil {
		waitForForks()
		err = os.Rename(part, to)
	}
	if err != nil {
		_ = os.Remove(part)
	}
	return err
}

func copyChunks(dst, src *os.File, wanted func() error) error {
	for {
		if err := wanted(); err != nil {
			return err
		}
		n, err := dst.ReadFrom(io.LimitReader(src, stageChunk))
		if err != nil || n == 0 {
			return err
		}
	}
}

// waitForForks returns when every child that this process was starting has begun its program. Until
// then a child has a copy of our open files, and as long as one is open for writing the kernel does
// not run the file.
func waitForForks() {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
}
