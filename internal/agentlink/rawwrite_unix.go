//go:build unix

package agentlink

import (
	"net"
	"syscall"
)

// rawWriter writes to a connection without waiting. It is for one caller at a time, while nobody else
// writes to the connection.
type rawWriter struct {
	conn syscall.RawConn
	// A function value that is made once, not for every write, and what it is given and gives.
	try     func(fd uintptr) bool
	batch   []byte
	written int
}

// newRawWriter returns nil if the connection has no file descriptor.
func newRawWriter(conn net.Conn) *rawWriter {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	w := &rawWriter{conn: raw}
	w.try = func(fd uintptr) bool {
		n, err := syscall.Write(int(fd), w.batch)
		if err == nil {
			w.written = n
		}
		return true // whoever writes the rest waits, and learns what is wrong
	}
	return w
}

// write returns how much of b was written.
func (w *rawWriter) write(b []byte) int {
	w.batch, w.written = b, 0
	err := w.conn.Write(w.try)
	w.batch = nil
	if err != nil {
		return 0
	}
	return w.written
}
