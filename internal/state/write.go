package state

import (
	"errors"
	"io/fs"
	"os"
)

// replace makes the file tmp the current one of a record. With keep the one before becomes the previous
// one, in place of that. When it fails the current file is what it was.
func (f files) replace(id, tmp string, keep bool) error {
	current, previous := f.current(id), f.previous(id)
	if keep {
		// Whoever comes between the two renames finds the previous file alone, which is the current one then.
		switch err := os.Rename(current, previous); {
		case errors.Is(err, fs.ErrNotExist): // somebody has removed it by hand
			keep = false
		case err != nil:
			return err
		}
	}
	err := os.Rename(tmp, current)
	if err != nil && keep {
		err = errors.Join(err, os.Rename(previous, current))
	}
	return err
}

// write writes a file of its own name, on the disk if it is to be durable.
func (f files) write(id string, data []byte, durable bool) (path string, err error) {
	tmp, err := os.CreateTemp(f.dir, "."+id+".*") // only the owner may read it
	if err != nil {
		return "", err
	}
	_, err = tmp.Write(data)
	if err == nil && durable {
		err = tmp.Sync()
	}
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return "", errors.Join(err, os.Remove(tmp.Name()))
	}
	return tmp.Name(), nil
}

// forget removes the files of a record, for good. The previous one goes first: it would be used if it
// alone was left.
func (f files) forget(id string) error {
	if err := remove(f.previous(id)); err != nil {
		return err
	}
	if err := remove(f.current(id)); err != nil {
		return err
	}
	syncDir(f.dir)
	return nil
}

// remove removes a file that may be missing.
func remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// syncDir makes renames and removals in dir last through a power failure. Some systems cannot sync a
// directory; there the file system's own order has to do.
func syncDir(dir string) {
	d, err := os.Open(dir)
	if err != nil {
		return
	}
	defer d.Close()
	_ = d.Sync()
}
