package image

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// evict removes images that nobody uses, least recently used first, until the limit is kept.
func (s *Store) evict() {
	for {
		s.dirs.Lock()
		s.mu.Lock()
		victim := s.index.victim()
		if victim != nil {
			s.index.remove(victim)
		}
		s.mu.Unlock()
		var gone string
		if victim != nil {
			gone = s.retire(victim.digest)
		}
		s.dirs.Unlock()
		if victim == nil {
			return
		}
		s.removeRetired(gone)
	}
}

// discard removes an entry whose directory is damaged or gone, and the directory.
func (s *Store) discard(e *entry) {
	s.dirs.Lock()
	s.mu.Lock()
	current := s.index.remove(e)
	s.mu.Unlock()
	var gone string
	if current { // else its name belongs to a newer one by now
		gone = s.retire(e.digest)
	}
	s.dirs.Unlock()
	s.removeRetired(gone)
}

// removeDir removes an image that is not in the index.
func (s *Store) removeDir(digest string) {
	s.dirs.Lock()
	gone := s.retire(digest)
	s.dirs.Unlock()
	s.removeRetired(gone)
}

// retire takes its name from an image that is no longer in the index, which is quick, and returns the
// new one; "" if there is nothing to remove. The caller holds s.dirs.
func (s *Store) retire(digest string) string {
	gone, err := os.MkdirTemp(s.dir, partialPrefix)
	if err == nil {
		err = os.Rename(s.path(digest), filepath.Join(gone, digest))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("cannot remove an image of the store", "digest", digest, "error", err)
	}
	return gone
}

// removeRetired removes what retire returned, which takes as long as there are files.
func (s *Store) removeRetired(gone string) {
	if gone != "" {
		s.removePartial(gone)
	}
}

// removePartial removes a directory that is not wanted.
func (s *Store) removePartial(path string) {
	if err := os.RemoveAll(path); err != nil {
		s.log.Warn("cannot remove a part of the image store", "directory", path, "error", err)
	}
}
