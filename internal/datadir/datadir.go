// Package datadir owns the directory in which a nex process keeps its state, and the lock that
// makes it one process's alone.
//
// The lock belongs to the process, not to a file's existence: the system releases it however the
// process ends, so that nothing stale is ever in the way. Functions are safe for concurrent use,
// also of the same directory in one process: a second Open is refused like another process's.
package datadir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"
)

// HolderFile is the name of the file that describes the process which holds the lock (package
// upstate). Open and Close remove it, so that it never describes an earlier one.
const HolderFile = "up.json"

// lockFile is never removed: two processes could then lock two different files of that name.
const lockFile = "lock"

// Dir is an open data directory.
type Dir struct {
	path  string
	lock  *os.File
	close func() error
}

// Open creates the directory if it is missing, only accessible to its owner, and takes its lock,
// which is held until Close or the end of the process. The error is one sentence that says what to
// do: another process holds the lock, path is no directory, or it cannot be read or written.
func Open(path string) (*Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find the data directory: %w", err)
	}
	if err := prepare(path); err != nil {
		return nil, err
	}
	// One directory is one, by whatever name: what sandboxes are given of it must not lead through links.
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return nil, unusable(path, "cannot be found", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, unusable(path, "cannot be written to", err)
	}
	if err := acquire(lock, path); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	d := &Dir{path: path, lock: lock}
	d.close = sync.OnceValue(d.release)
	if err := d.forgetHolder(); err != nil {
		return nil, errors.Join(unusable(path, "cannot be written to", err), d.Close())
	}
	return d, nil
}

// Path returns the directory's absolute path.
func (d *Dir) Path() string { return d.path }

// Close gives the lock back. It may be called more than once.
func (d *Dir) Close() error { return d.close() }

func (d *Dir) release() error {
	err := d.forgetHolder() // before the lock is free: never the next process's file
	// Closing would do, but for a child that was forked in this moment and has not dropped its copy of
	// the file yet.
	unlock(d.lock)
	return errors.Join(err, d.lock.Close())
}

func (d *Dir) forgetHolder() error {
	err := os.Remove(filepath.Join(d.path, HolderFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Held reports whether a process, possibly this one, has the directory open. A directory that does
// not exist, or that cannot be looked into, is not held. Held changes nothing.
func Held(path string) bool {
	lock, err := os.Open(filepath.Join(path, lockFile))
	if err != nil {
		return false
	}
	defer lock.Close()
	free, err := tryLock(lock, shared)
	if free {
		unlock(lock)
	}
	return err == nil && !free
}

// prepare makes sure that path is a directory that can be read.
func prepare(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		if info, statErr := os.Stat(path); statErr == nil && !info.IsDir() {
			return fmt.Errorf("the data directory %s is not a directory: choose another with --data-dir", path)
		}
		return unusable(path, "cannot be created", err)
	}
	d, err := os.Open(path)
	if err != nil {
		return unusable(path, "cannot be read", err)
	}
	defer d.Close()
	if info, err := d.Stat(); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o002 != 0 {
		return fmt.Errorf("the data directory %s can be written to by everybody: take that permission away, or choose another with --data-dir", path)
	}
	if _, err := d.Readdirnames(1); err != nil && !errors.Is(err, io.EOF) {
		return unusable(path, "cannot be read", err)
	}
	return nil
}

func unusable(path, what string, err error) error {
	cause := err
	if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
		cause = pathErr.Err
	}
	return fmt.Errorf("the data directory %s %s (%w): mend its permissions, or choose another with --data-dir", path, what, cause)
}

// How often Open tries again while somebody only looks whether the lock is held, and how long it
// lets them: looking takes microseconds.
const (
	lookTries = 100
	lookPause = time.Millisecond
)

// acquire takes the lock, or fails because another has it.
func acquire(lock *os.File, path string) error {
	for range lookTries {
		got, err := tryLock(lock, exclusive)
		if got {
			return nil
		}
		if err == nil {
			// A reader of Held has a shared lock for a moment. No event tells when it is gone.
			var onlyLooking bool
			onlyLooking, err = tryLock(lock, shared)
			if onlyLooking {
				unlock(lock)
				time.Sleep(lookPause)
				continue
			}
		}
		if err != nil {
			return fmt.Errorf("the data directory %s cannot be locked (%w): choose one on a local disk with --data-dir", path, err)
		}
		break
	}
	return fmt.Errorf("another nex uses the data directory %s: stop it, or choose another with --data-dir", path)
}
