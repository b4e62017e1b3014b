package image

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// retire takes its name from an image that is no longer in the index, which is quick, and returns what
// removes it, which takes as long as there are files.
func (s *Store) retire(digest string) (rest func()) {
	gone, err := os.MkdirTemp(s.dir, partialPrefix)
	if err != nil {
		s.log.Warn("cannot remove an image of the store", "digest", digest, "error", err)
		return nil
	}
	if err := os.Rename(s.path(digest), filepath.Join(gone, digest)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("cannot remove an image of the store", "digest", digest, "error", err)
	}
	return func() { s.removePartial(gone) }
}

// removePartial removes a directory that is not wanted.
func (s *Store) removePartial(path string) {
	if err := os.RemoveAll(path); err != nil {
		s.log.Warn("cannot remove a part of the image store", "directory", path, "error", err)
	}
}
