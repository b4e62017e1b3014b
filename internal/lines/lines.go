// Package lines cuts what an agent prints into lines, and prints them at the other end.
package lines

import (
	"bytes"
	"strings"
)

// Max is how many bytes of a line are handed on; the rest of the line is dropped.
const Max = 8 << 10

// cut ends a line of which something was dropped.
const cut = "… (line cut)"

// Writer hands on what is written to it line by line, as valid text. It is for one goroutine.
type Writer struct {
	// Log gets the lines. Nil discards them.
	Log     func(line string)
	pending []byte // the line so far, at most Max bytes
	long    bool   // the line went on after that
}

// Write takes everything, so that an agent never finds its output closed.
func (w *Writer) Write(b []byte) (int, error) {
	n := len(b)
	if w.Log == nil {
		return n, nil
	}
	for {
		line, rest, ended := bytes.Cut(b, []byte{'\n'})
		w.append(line)
		if !ended {
			return n, nil
		}
		w.emit()
		b = rest
	}
}

func (w *Writer) append(b []byte) {
	if room := Max - len(w.pending); len(b) > room {
		b, w.long = b[:room], true
	}
	w.pending = append(w.pending, b...)
}

func (w *Writer) emit() {
	text := strings.ToValidUTF8(strings.TrimSuffix(string(w.pending), "\r"), "\uFFFD")
	if w.long {
		text += cut
	}
	w.pending, w.long = w.pending[:0], false
	w.Log(text)
}

// Flush hands on a last line that nothing ended.
func (w *Writer) Flush() {
	if len(w.pending) > 0 {
		w.emit()
	}
}
