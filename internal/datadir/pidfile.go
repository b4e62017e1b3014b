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

// HoldPID makes the file at path, or takes over a stale one, and locks it. It fails when a running process
// holds it. What is in the file stays until Write.
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
	return &PIDFile{file: f}, nil
}

// Write puts this process's id in the place of what is in the file. When it fails, because the disk is full,
// the file is empty, and held all the same: the id in it is never another's.
func (p *PIDFile) Write() error {
	id := strconv.Itoa(os.Getpid()) + "\n"
	_, err := p.file.WriteAt([]byte(id), 0) // before it is cut: a full disk may have no room but that
	if err == nil {
		err = p.file.Truncate(int64(len(id)))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write the pid file: %w", err), p.file.Truncate(0))
	}
	return nil
}

// Close removes the file and gives up its lock, in this order, so that it is never another's file
// that is removed.
func (p *PIDFile) Close() error {
	err := os.Remove(p.file.Name())
	unlock(p.file) // a child that is just being started may have the file open a moment longer
	return errors.Join(err, p.file.Close())
}
