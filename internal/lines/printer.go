package lines

import (
	"errors"
	"os"
	"sync"
	"time"
)

const (
	// patience is how long a line waits for somebody to read those before it, and
	patience = time.Second
	// brief is how long one does after that was in vain.
	brief = time.Millisecond
)

// Printer writes an agent's lines to its standard output or error. If that is a FIFO that does not block, and
// nobody reads it because the node is gone, lines are dropped once it is full: an agent never hangs for want of
// somebody who reads its log. It is safe for concurrent use.
type Printer struct {
	file *os.File

	mu    sync.Mutex
	stuck bool // the last line did not go out
	open  bool // a line went out in part
}

// NewPrinter returns a Printer for the file, such as os.Stderr.
func NewPrinter(file *os.File) *Printer { return &Printer{file: file} }

// Write writes whole lines, and fails with [os.ErrDeadlineExceeded] when it drops them.
func (p *Printer) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	wait := patience
	if p.stuck {
		wait = brief
	}
	// A file that blocks has none. Others who write to this one have none either.
	_ = p.file.SetWriteDeadline(time.Now().Add(wait))
	defer func() { _ = p.file.SetWriteDeadline(time.Time{}) }()
	if p.open {
		if _, err := p.file.Write([]byte{'\n'}); err != nil {
			return 0, err
		}
		p.open = false
	}
	n, err := p.file.Write(b)
	p.stuck = errors.Is(err, os.ErrDeadlineExceeded)
	p.open = 0 < n && n < len(b)
	return n, err
}
