// Package atomicfile writes files so that a reader, and a machine that loses power, see
// either the old content or the new one, never a part. Its functions are safe for concurrent use;
// of two writers to the same path the later one wins.
package atomicfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Write replaces the content of the file at path with data. The file has exactly the permissions
// mode afterwards, whatever it had before. When Write fails the file is as it was and nothing else
// is left in its directory. The directory must exist.
func Write(path string, data []byte, mode fs.FileMode) error {
	return write(path, bytes.NewReader(data), mode, os.Rename)
}

// WriteFrom is like Write with what r gives until its end; an error of r is one of WriteFrom. While it is
// written the file has a name in the same directory that begins with a dot.
func WriteFrom(path string, r io.Reader, mode fs.FileMode) error {
	return write(path, r, mode, os.Rename)
}

// Create is like Write for a file that must not exist yet: if it does, it stays as it is and the
// error is fs.ErrExist. Of several that create one file at the same time one succeeds.
func Create(path string, data []byte, mode fs.FileMode) error {
	return write(path, bytes.NewReader(data), mode, func(tmp, path string) error {
		err := os.Link(tmp, path)
		if err == nil {
			return os.Remove(tmp)
		}
		if _, statErr := os.Lstat(path); errors.Is(statErr, fs.ErrNotExist) {
			return os.Rename(tmp, path) // a file system without links
		}
		return fs.ErrExist
	})
}

// write writes a temporary file and lets publish give it its name.
func write(path string, r io.Reader, mode fs.FileMode, publish func(tmp, path string) error) (err error) {
	dir, name := filepath.Split(filepath.Clean(path))
	if dir == "" {
		dir = "."
	}
	tmp, err := os.CreateTemp(dir, "."+name+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = tmp.Close() // a second Close fails, which is of no interest
			_ = os.Remove(tmp.Name())
			err = fmt.Errorf("write %s: %w", path, err)
		}
	}()
	if _, err := io.Copy(tmp, r); err != nil {
		return err
	}
	if err := tmp.Chmod(mode); err != nil {
		return err
	}
	if err := tmp.Sync(); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	if err := publish(tmp.Name(), path); err != nil {
		return err
	}
	syncDir(dir)
	return nil
}

// syncDir makes a rename in dir last through a power failure. Some systems cannot sync a
// directory; there the file system's own order has to do.
func syncDir(dir string) {
	d, err := os.Open(dir)
	if err != nil {
		return
	}
	defer d.Close()
	_ = d.Sync()
}
