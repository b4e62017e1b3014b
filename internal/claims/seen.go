package claims

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nex-engine/nex/internal/atomicfile"
)

// Seen remembers the claims that were used, until they would have expired anyway, also over a
// restart of the node: each is a line in a file. It is safe for concurrent use.
//
// A line is written but not synced: a crash of the machine, not of the node, can lose the last
// ones. Syncing would cost every deploy more than the rest of its checks together.
type Seen struct {
	path  string
	mu    sync.Mutex
	file  *os.File
	torn  bool             // the last write failed, maybe within a line
	until map[string]int64 // claims → unix time of expiry
	next  int              // number of entries at which the expired ones are dropped
}

// minSweep is the least number of entries worth sweeping.
const minSweep = 4096

// OpenSeen reads the file at path, or makes it. The caller owns the Seen and closes it.
func OpenSeen(path string) (*Seen, error) {
	s := &Seen{path: path, until: make(map[string]int64)}
	if err := s.load(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read used claims: %w", err)
	}
	if err := s.compact(time.Now()); err != nil {
		return nil, err
	}
	return s, nil
}

// load reads the lines of an earlier process. A torn last line, and anything else that is no line
// of ours, is passed over: forgetting it is all that can be done.
func (s *Seen) load(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewReader(f)
	for {
		// Not a Scanner, which gives up on a long line: a crash can leave a file full of zeros.
		text, err := lines.ReadString('\n')
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		until, id, ok := strings.Cut(strings.TrimSuffix(text, "\n"), " ")
		n, err := strconv.ParseInt(until, 10, 64)
		if ok && err == nil {
			s.until[id] = n
		}
	}
}

// Add reports whether the claims were not there before, and remembers them: until the process ends if
// it returns an error, because they could not be written.
func (s *Seen) Add(id string, until time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, used := s.until[id]; used {
		return false, nil
	}
	if len(s.until) >= s.next {
		// When that fails the file goes on growing until the next time.
		_ = s.compact(time.Now())
	}
	s.until[id] = until.Unix()
	text := line(id, until.Unix())
	if s.torn { // keep this one apart from what a full disk has left of the one before
		text = "\n" + text
	}
	if _, err := s.file.WriteString(text); err != nil {
		s.torn = true
		return true, fmt.Errorf("remember used claims: %w", err)
	}
	s.torn = false
	return true, nil
}

// compact drops what has expired from memory and from the file.
func (s *Seen) compact(now time.Time) error {
	var lines strings.Builder
	for id, until := range s.until {
		if until < now.Unix() {
			delete(s.until, id)
			continue
		}
		lines.WriteString(line(id, until))
	}
	s.next = max(minSweep, 2*len(s.until))
	if err := atomicfile.Write(s.path, []byte(lines.String()), 0o600); err != nil {
		return fmt.Errorf("write used claims: %w", err)
	}
	file, err := os.OpenFile(s.path, os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open used claims: %w", err)
	}
	if s.file != nil {
		_ = s.file.Close() // it has no name any more
	}
	s.file, s.torn = file, false
	return nil
}

// Close closes the file.
func (s *Seen) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.file.Close()
}

func line(id string, until int64) string { return strconv.FormatInt(until, 10) + " " + id + "\n" }
