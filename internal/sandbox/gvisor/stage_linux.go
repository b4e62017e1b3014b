package gvisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// stageChunk is how much is copied between two looks at whether the copy is still wanted.
const stageChunk = 16 << 20

// Stage implements [sandbox.Instance]. What is staged is a copy and no link: users inside are nobody on
// the host, so everybody must be able to read and run it, and the cached file has its own permissions.
// Where the file system can, the copy shares blocks.
func (i *instance) Stage(ctx context.Context, hostPath string) (string, error) {
	i.changing.Lock()
	defer i.changing.Unlock()
	err := errStaged
	if !i.staged {
		err = i.stage(ctx, hostPath)
	}
	if err != nil {
		return "", fmt.Errorf("stage %s: %w", hostPath, err)
	}
	i.staged = true
	return stagedPath, nil
}

// stage makes the copy, whole or not at all.
func (i *instance) stage(ctx context.Context, hostPath string) (err error) {
	if err := i.wanted(ctx); err != nil {
		return err
	}
	src, err := os.Open(hostPath)
	if err != nil {
		return err
	}
	defer src.Close()
	if info, err := src.Stat(); err != nil {
		return err
	} else if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file", hostPath)
	}
	part := i.home.staging()
	if err := i.copyTo(ctx, part, src); err != nil {
		return errors.Join(err, removeIfThere(part))
	}
	return os.Rename(part, i.home.staged())
}

func (i *instance) copyTo(ctx context.Context, path string, src *os.File) (err error) {
	dst, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	for {
		if err := i.wanted(ctx); err != nil {
			return err
		}
		n, err := dst.ReadFrom(io.LimitReader(src, stageChunk))
		if err != nil {
			return err
		}
		if n == 0 {
			return dst.Chmod(0o555)
		}
	}
}

// wanted is an error if nobody needs what is being done any more.
func (i *instance) wanted(ctx context.Context) error {
	switch {
	case i.ended():
		return errEnded
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return nil
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
