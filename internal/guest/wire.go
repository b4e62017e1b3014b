package guest

import (
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/hashicorp/yamux"
)

// Of the header of a frame of yamux: version, type, flags, stream, length.
const (
	headerBytes = 12
	typeData    = 0
	typePing    = 2
)

// errPing ends a session with a VM that sends pings. No end has a reason to, and yamux would answer each from a
// goroutine of its own, without a bound.
var errPing = errors.New("the other end sends what it should not")

// wire is a stream of bytes under yamux. It lets no ping come in, and sends a frame at once: on a serial
// port each write is an exit of the virtual machine.
type wire struct {
	r io.Reader
	w io.WriteCloser

	// What follows belongs to the reader.
	skip   uint32 // what is left of a frame's data
	header []byte // as much of it as has come

	// frame belongs to the writer: a header whose data is to come.
	frame []byte
}

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.r.Read(b)
	if bad := w.look(b[:n]); bad != nil {
		return 0, bad
	}
	return n, err
}

// look looks at what has come.
func (w *wire) look(b []byte) error {
	for len(b) > 0 {
		if w.skip > 0 {
			n := min(w.skip, uint32(len(b)))
			w.skip -= n
			b = b[n:]
			continue
		}
		n := min(headerBytes-len(w.header), len(b))
		w.header = append(w.header, b[:n]...)
		b = b[n:]
		if len(w.header) < headerBytes {
			return nil
		}
		switch w.header[1] {
		case typePing:
			return errPing
		case typeData:
			w.skip = binary.BigEndian.Uint32(w.header[8:])
		}
		w.header = w.header[:0]
	}
	return nil
}

// Write writes what yamux does: the header of a frame, then its data if there is some.
func (w *wire) Write(b []byte) (int, error) {
	if len(w.frame) == 0 && len(b) == headerBytes && b[1] == typeData && binary.BigEndian.Uint32(b[8:]) > 0 {
		w.frame = append(w.frame, b...)
		return len(b), nil
	}
	if len(w.frame) == 0 {
		return w.w.Write(b)
	}
	w.frame = append(w.frame, b...)
	_, err := w.w.Write(w.frame)
	w.frame = w.frame[:0]
	if err != nil {
		return 0, err
	}
	return len(b), nil
}

func (w *wire) Close() error { return w.w.Close() }

// Bounds of a session.
const (
	// writeTimeout bounds how long the other end may take to read anything at all. A VM may be paused, or
	// have little time to run.
	writeTimeout = 5 * time.Minute
	// closeTimeout bounds how long it may take to agree that a stream is over.
	closeTimeout = 5 * time.Second
	// maxLinks bounds the connections of an agent; it needs a few.
	maxLinks = 16
	// maxStreams bounds the streams in a session, whatever they are for, and backlog those that nobody has taken yet.
	maxStreams = 40
	backlog    = 16
	// windowSize bounds what may come by a stream and is not read. So a VM can make the node keep, by all of them, no more
	// than some MiB. No window of yamux can be smaller.
	windowSize = 256 << 10
)

func muxConfig() *yamux.Config {
	c := yamux.DefaultConfig()
	c.AcceptBacklog = backlog
	// Whether the VM lives is for others to find out: it may be paused, and have its clock set.
	c.EnableKeepAlive = false
	c.StreamOpenTimeout = 0
	c.ConnectionWriteTimeout = writeTimeout
	c.StreamCloseTimeout = closeTimeout
	c.MaxStreamWindowSize = windowSize
	c.LogOutput = io.Discard
	return c
}
