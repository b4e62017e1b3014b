package process

import (
	"bytes"
	"strings"
)

// MaxLine is how many bytes of a line that an agent prints are handed on; the rest of the line is
// dropped.
const MaxLine = 8 << 10

// cut ends a line of which something was dropped.
const cut = "… (line cut)"

// lines hands on what is written to it line by line. It is for one goroutine.
type lines struct {
	log     func(line string) // nil discards
	pending []byte            // the line so far, at most MaxLine bytes
	long    bool              // the line went on after that
}

// Write takes everything, so that an agent never finds its output closed.
func (l *lines) Write(b []byte) (int, error) {
	n := len(b)
	if l.log == nil {
		return n, nil
	}
	for {
		line, rest, ended := bytes.Cut(b, []byte{'\n'})
		l.append(line)
		if !ended {
			return n, nil
		}
		l.emit()
		b = rest
	}
}

func (l *lines) append(b []byte) {
	if room := MaxLine - len(l.pending); len(b) > room {
		b, l.long = b[:room], true
	}
	l.pending = append(l.pending, b...)
}

func (l *lines) emit() {
	text := strings.ToValidUTF8(strings.TrimSuffix(string(l.pending), "\r"), "\uFFFD")
	if l.long {
		text += cut
	}
	l.pending, l.long = l.pending[:0], false
	l.log(text)
}

// flush hands on a last line that nothing ended.
func (l *lines) flush() {
	if len(l.pending) > 0 {
		l.emit()
	}
}
