package logpump

import (
	"bytes"
	"io"
	"log/slog"
	"sync"
	"time"
)

// source is where a line comes from.
type source struct {
	name  string
	level slog.Level
}

// reader cuts one stream into lines.
type reader struct {
	source source
	queue  *queue

	// mu is held while lines are cut, never while reading: the timer cuts too. Reading fills the
	// bytes from end on, which nobody else touches, so only read changes end and moves what is
	// before it.
	mu         sync.Mutex
	buf        []byte
	start, end int  // what was read and not cut yet
	open       bool // the last record's line goes on
	lastRead   time.Time
}

func newReader(s source, q *queue) *reader {
	return &reader{source: s, queue: q, buf: make([]byte, window+readSize)}
}

// read reads until the stream ends, however it ends: an error leaves nothing to be done but what
// the end does.
func (r *reader) read(from io.Reader) {
	quiet := time.AfterFunc(QuietTime, r.flush)
	defer quiet.Stop()
	for {
		n, err := from.Read(r.buf[r.end:])
		if r.took(n, err != nil) {
			quiet.Reset(QuietTime)
		}
		if err != nil {
			return
		}
	}
}

// took cuts lines after n more bytes were read. It reports whether part of a line is left, which
// waits for its end or for the quiet time to pass.
func (r *reader) took(n int, atEOF bool) (waiting bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end += n
	r.lastRead = time.Now()
	for r.start < r.end {
		advance, text, ended := Split(r.buf[r.start:r.end], atEOF)
		if advance == 0 {
			break
		}
		r.start += advance
		r.recordLocked(text, ended)
	}
	r.end = copy(r.buf, r.buf[r.start:r.end])
	r.start = 0
	return r.end > 0
}

// recordLocked queues the text of a record. If it is refused the rest of what was read would be
// too, so its lines are counted and not looked at: that is what makes dropping fast.
func (r *reader) recordLocked(text []byte, ended bool) {
	empty := r.open && ended && len(text) == 0 // only the end of a line that has been sent already
	r.open = !ended
	if empty {
		return
	}
	why, ok := r.queue.offer(r.source, text)
	if ok {
		return
	}
	rest := r.buf[r.start:r.end]
	lines := bytes.Count(rest, []byte{'\n'})
	if lines == 0 {
		return
	}
	rest = rest[:bytes.LastIndexByte(rest, '\n')+1]
	r.queue.drop(why, uint64(lines), uint64(len(rest)))
	r.start += len(rest)
	r.open = false
}

// flush queues the beginning of a line whose end has not come for the quiet time. What may be half
// of a character or of a line's end remains.
func (r *reader) flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.lastRead) < QuietTime {
		return // more came while the timer fired; it is set again
	}
	text := r.buf[r.start:r.end]
	text = bytes.TrimSuffix(text, []byte("\r"))
	text = text[:wholeRunes(text, len(text))]
	if len(text) > 0 {
		r.start += len(text)
		r.recordLocked(text, false)
	}
}
