package claims

import "os"

// SwapFile makes s write to another file, as if the one before had failed; it returns that one.
func (s *Seen) SwapFile(f *os.File) *os.File {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.file
	s.file = f
	return old
}
