//go:build linux

package network

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// lockFile is locked by a node that starts or ends. It stays, empty. It can be opened by root alone,
	// since who can open a file can lock it.
	lockFile = "/run/nex-network.lock"
	// lockPatience is how long to wait for it. A node that starts may have sandboxes to remove.
	lockPatience = time.Minute
	// lockRetry is how often it is tried: to wait for a lock cannot be interrupted.
	lockRetry = 20 * time.Millisecond
)

var errLocked = fmt.Errorf("it did not let go for %s: find its process with lsof, and end it if it hangs", lockPatience)

// lock keeps other nodes from looking for a free subnet at the same time, and from turning off what this
// one turns on, until the returned function is called.
func lock(ctx context.Context) (unlock func(), err error) {
	if err := makeDir(filepath.Dir(lockFile)); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(lockFile, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, permitted(fmt.Errorf("open lock of the networks of sandboxes: %w", err))
	}
	if err := tryLock(ctx, f); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("another node of this machine has %s locked: %w", lockFile, err)
	}
	return func() { _ = f.Close() }, nil
}

func tryLock(ctx context.Context, f *os.File) error {
	ctx, cancel := context.WithTimeoutCause(ctx, lockPatience, errLocked)
	defer cancel()
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil || !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(lockRetry):
		}
	}
}

func makeDir(path string) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return permitted(fmt.Errorf("make directory for networks of sandboxes: %w", err))
	}
	return nil
}

// permitted adds [ErrRights] to an error if that is what it is about.
func permitted(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: run the node as root: %w", ErrRights, err)
	}
	return err
}
