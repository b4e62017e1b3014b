package claims

import (
	"bufio"
	"bytes"
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
//
// The clock may have been ahead when claims seemed to have expired. So it is remembered as well how
// late the last of them ended that were forgotten: none that end sooner are let through.
type Seen struct {
	path      string
	mu        sync.Mutex
	file      *os.File
	torn      bool             // the last write failed, maybe within a line
	until     map[string]int64 // claims → unix time of expiry
	forgotten int64            // the latest expiry of claims that were dropped
	next      int              // number of entries at which the expired ones are dropped
}

// minSweep is the least number of entries worth sweeping.
const minSweep = 4096

// forgottenID is in the file where the claims are in the line that has Seen.forgotten. No claims are
// called that; to a nex that does not know the line it is one that has expired.
const forgottenID = "forgotten"

// errForgotten is that claims may have been used, and then forgotten.
var errForgotten = errors.New("claims that end as early as these were forgotten")

// OpenSeen reads the file at path, or makes it. The caller owns the Seen and closes it. A disk that is
// full is no error before something is to be written: Add tells of it then.
func OpenSeen(path string) (*Seen, error) {
	s := &Seen{path: path, until: make(map[string]int64)}
	if err := s.load(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read used claims: %w", err)
	}
	if err := s.compact(time.Now()); err != nil {
		// The file that is there will do.
		if s.reopen(os.O_CREATE) != nil {
			return nil, err
		}
		s.torn = true // for all that is known
	}
	return s, nil
}

// load reads the file of an earlier process.
func (s *Seen) load(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return s.decode(f)
}

// decode reads lines. A torn last one, and anything else that is no line of ours, is passed over: forgetting
// it is all that can be done.
func (s *Seen) decode(r io.Reader) error {
	lines := bufio.NewReader(r)
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
		switch {
		case !ok || err != nil:
		case id == forgottenID:
			s.forgotten = max(s.forgotten, n)
		default:
			s.until[id] = max(s.until[id], n)
		}
	}
}

// Add reports whether the claims were not there before, and remembers them. When it reports true with an
// error they could not be written, and are remembered until the process ends; with errForgotten, and
// false, it is not known whether they were there.
func (s *Seen) Add(id string, until time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, used := s.until[id]; used {
		return false, nil
	}
	if until.Unix() <= s.forgotten {
		return false, errForgotten
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

// encode returns the lines of all that is remembered.
func (s *Seen) encode() []byte {
	var b bytes.Buffer
	for id, until := range s.until {
		b.WriteString(line(id, until))
	}
	if s.forgotten > 0 {
		b.WriteString(line(forgottenID, s.forgotten))
	}
	return b.Bytes()
}

// compact drops what has expired from memory and from the file.
func (s *Seen) compact(now time.Time) error {
	for id, until := range s.until {
		if until < now.Unix() {
			s.forgotten = max(s.forgotten, until)
			delete(s.until, id)
		}
	}
	s.next = max(minSweep, 2*len(s.until))
	if err := atomicfile.Write(s.path, s.encode(), 0o600); err != nil {
		return fmt.Errorf("write used claims: %w", err)
	}
	return s.reopen(0)
}

// reopen opens the file that has the name now, to append to it.
func (s *Seen) reopen(flags int) error {
	file, err := os.OpenFile(s.path, os.O_WRONLY|os.O_APPEND|flags, 0o600)
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
