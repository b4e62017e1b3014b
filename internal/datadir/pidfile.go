package datadir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// PIDFile is a file with this process's id, locked as long as it is held. One that a killed process
// left is no obstacle: its lock is gone.
type PIDFile struct{ file *os.File }

// HoldPID makes the file at path, or takes over a stale one. It fails when a running process holds
// it.
func HoldPID(path string) (_ *PIDFile, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the pid file: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the pid file: %w: set pid_filepath to a file that can be written", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	got, err := tryLock(f, exclusive)
	if err != nil {
		return nil, fmt.Errorf("lock the pid file %s: %w", path, err)
	}
	if !got {
		return nil, fmt.Errorf("another node holds the pid file %s: stop it, or set pid_filepath to another file", path)
	}
	if err := f.Truncate(0); err != nil {
		return nil, fmt.Errorf("write the pid file: %w", err)
	}
	if _, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return nil, fmt.Errorf("write the pid file: %w", err)
	}
	return &PIDFile{file: f}, nil
}

// Close removes the file and gives up its lock, in this order, so that it is never another's file
// that is removed.
func (p *PIDFile) Close() error {
	err := os.Remove(p.file.Name())
	unlock(p.file) // a child that is just being started may have the file open a moment longer
	return errors.Join(err, p.file.Close())
}
