package claims

import (
	"bytes"
	"os"
)

// DecodeSeen reads the lines of a file: the claims with when they expire, and the latest expiry of forgotten ones.
// Encoded is what would be written of them.
func DecodeSeen(file []byte) (until map[string]int64, forgotten int64, encoded []byte, err error) {
	s := &Seen{until: make(map[string]int64)}
	err = s.decode(bytes.NewReader(file))
	return s.until, s.forgotten, s.encode(), err
}

// SwapFile makes s write to another file, as if the one before had failed; it returns that one.
func (s *Seen) SwapFile(f *os.File) *os.File {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.file
	s.file = f
	return old
}
