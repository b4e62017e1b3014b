package wasm

import (
	"crypto/rand"
	"io"
	"log/slog"

	"github.com/nex-engine/nex/internal/agent/logpump"
	"github.com/nex-engine/nex/internal/function"
)

// stdin is the payload for a command. A reactor finds it empty.
type stdin struct{ slot *slot }

func (f stdin) Read(p []byte) (int, error) {
	c := f.slot.current
	if f.slot.runtime.reactor || c.read == len(c.in.Payload) {
		return 0, io.EOF
	}
	n := copy(p, c.in.Payload[c.read:])
	c.read += n
	return n, nil
}

// stdout is the reply of a command, and the log of a reactor.
type stdout struct{ slot *slot }

func (f stdout) Write(p []byte) (int, error) {
	if f.slot.runtime.reactor {
		return f.slot.stdout.Write(p)
	}
	f.slot.current.addReply(p)
	return len(p), nil
}

// random is the source of random numbers. It fills buffers in parts, so that a function which asks for
// a gigabyte can be stopped.
type random struct{ slot *slot }

func (f random) Read(p []byte) (int, error) {
	f.slot.current.goOn()
	return rand.Read(p[:min(len(p), 64<<10)])
}

// lines makes log lines of a stream.
type lines struct {
	slot   *slot
	stream string
	level  slog.Level
	buf    []byte // the beginning of a line
	open   bool   // the last line was too long, and its rest follows
}

// chunk is how much of one write is cut into lines at once.
const chunk = 64 << 10

func (l *lines) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		l.slot.current.goOn()
		n := min(len(rest), chunk)
		l.buf = append(l.buf, rest[:n]...)
		rest = rest[n:]
		l.cut(false)
	}
	return len(p), nil
}

// flush logs what has no end of line yet.
func (l *lines) flush() {
	l.cut(true)
	l.open = false
}

func (l *lines) cut(all bool) {
	start := 0
	for start < len(l.buf) {
		n, text, ended := logpump.Split(l.buf[start:], all)
		if n == 0 {
			break
		}
		start += n
		if !l.open || !ended || len(text) > 0 { // else it is only the end of a line that was too long
			l.log(text)
		}
		l.open = !ended
	}
	l.buf = append(l.buf[:0], l.buf[start:]...)
	if cap(l.buf) > 2*chunk {
		l.buf = append([]byte(nil), l.buf...)
	}
}

func (l *lines) log(text []byte) {
	l.slot.runtime.cfg.Log(function.LogLine{Level: l.level, Stream: l.stream, Text: string(text)})
}
