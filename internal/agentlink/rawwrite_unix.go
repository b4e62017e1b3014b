//go:build unix

package agentlink

import (
	"net"
	"syscall"
)

// rawWriter is a tryWriter of a connection that has a file descriptor.
type rawWriter struct {
	conn syscall.RawConn
	// A function value that is made once, not for every write, and what it is given and gives.
	try     func(fd uintptr) bool
	batch   []byte
	written int
}

// directWriter returns nil if there is no writing to the connection without waiting.
func directWriter(conn net.Conn) tryWriter {
	if w, ok := conn.(tryWriter); ok {
		return w
	}
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

func (w *rawWriter) tryWrite(b []byte) int {
	w.batch, w.written = b, 0
	err := w.conn.Write(w.try)
	w.batch = nil
	if err != nil {
		return 0
	}
	return w.written
}
