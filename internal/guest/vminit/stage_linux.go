package vminit

import (
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/nex-engine/nex/internal/guest"
)

// staging are the files that the node has given.
type staging struct {
	dir *os.Root

	mu    sync.Mutex
	files []string
	taken map[string]bool // names that are staged, or being staged
}

func newStaging(dir string) (*staging, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &staging{dir: root, taken: map[string]bool{}}, nil
}

func (s *staging) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.files)
}

// put makes a file, and returns its path.
func (s *staging) put(name string, size int64, r io.Reader) (string, error) {
	if err := s.take(name); err != nil {
		return "", err
	}
	// No name that can be staged begins with a dot.
	part := "." + name
	err := s.write(part, r)
	if err == nil {
		err = s.dir.Rename(part, name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		_ = s.dir.Remove(part) // it may not be there
		delete(s.taken, name)
		return "", fmt.Errorf("write %d bytes to the disk of the VM: %w", size, err)
	}
	s.files = append(s.files, name)
	return s.dir.Name() + "/" + name, nil
}

func (s *staging) take(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.taken[name]:
		return fmt.Errorf("%s is staged already, or is being staged", name)
	case len(s.taken) >= guest.MaxStaged:
		return fmt.Errorf("%d files are staged, and there may be no more", guest.MaxStaged)
	}
	s.taken[name] = true
	return nil
}

// stagingBuffer is larger than what comes at once, so that the disk is written less often.
const stagingBuffer = 256 << 10

func (s *staging) write(name string, r io.Reader) error {
	f, err := s.dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o555)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.CopyBuffer(struct{ io.Writer }{f}, r, make([]byte, stagingBuffer)); err != nil {
		return err
	}
	if err := f.Chmod(0o555); err != nil {
		return err
	}
	return f.Close()
}
