package agentlink

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// quietConn is a connection by a unix socket whose owner is woken for what arrives and for nothing else.
//
// Go waits for all events of a socket, and a unix socket has one, that there is room to write, whenever the
// other end has read something. So each end would wake the other in vain for every message, in the middle of
// a call. Here Go waits for two epoll instances instead: one that tells of what arrives, one that tells of
// room, once, when somebody has asked for it. Read is for one goroutine at a time.
type quietConn struct {
	local, remote net.Addr
	socket        *os.File        // which Go does not wait for
	raw           syscall.RawConn // of socket
	arrived, room *waiter
	close         func() error
	closed        atomic.Bool
	writes        sync.Mutex // held while something is written

	// Functions that are made once, not for every message, and what they are given and give.
	receive, send     func(fd uintptr)
	readOn, writeOn   func(epoll uintptr) bool
	reading, writing  []byte
	nRead, nWritten   int
	readErr, writeErr error
}

// waiter is an epoll instance with one socket.
type waiter struct {
	file *os.File
	raw  syscall.RawConn
}

// Quiet returns a connection that takes the place of one by a unix socket, and wakes its owner less often.
// It returns conn itself where there is no such thing, and otherwise closes it. Of what it returns, one
// goroutine at a time may read.
func Quiet(conn net.Conn) net.Conn {
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		return conn
	}
	quiet, err := newQuietConn(unixConn)
	if err != nil { // for want of file descriptors
		return conn
	}
	conn.Close()
	return quiet
}

func newQuietConn(conn *net.UnixConn) (_ *quietConn, err error) {
	c := &quietConn{local: conn.LocalAddr(), remote: conn.RemoteAddr()}
	c.close = sync.OnceValue(c.closeAll)
	defer func() {
		if err != nil {
			_ = c.release()
		}
	}()
	fd, err := duplicate(conn)
	if err != nil {
		return nil, err
	}
	c.socket = os.NewFile(uintptr(fd), "calls")
	if c.raw, err = c.socket.SyscallConn(); err != nil {
		return nil, err
	}
	if err = unix.SetNonblock(fd, true); err != nil {
		return nil, err
	}
	if c.arrived, err = newWaiter(fd, unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLET); err != nil {
		return nil, err
	}
	if c.room, err = newWaiter(fd, unix.EPOLLONESHOT); err != nil {
		return nil, err
	}
	c.prepare()
	return c, nil
}

// duplicate returns another descriptor of the socket, in blocking mode: package os has Go wait for all others.
func duplicate(conn *net.UnixConn) (fd int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	controlErr := raw.Control(func(original uintptr) {
		if fd, err = unix.FcntlInt(original, unix.F_DUPFD_CLOEXEC, 0); err != nil {
			return
		}
		if err = unix.SetNonblock(fd, false); err != nil {
			unix.Close(fd)
		}
	})
	return fd, errors.Join(err, controlErr)
}

func newWaiter(socket int, events uint32) (*waiter, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, socket, &unix.EpollEvent{Events: events}), unix.SetNonblock(fd, true)); err != nil {
		unix.Close(fd)
		return nil, err
	}
	w := &waiter{file: os.NewFile(uintptr(fd), "epoll")}
	if w.raw, err = w.file.SyscallConn(); err == nil {
		err = w.file.SetReadDeadline(time.Time{}) // it fails where Go cannot wait for it
	}
	if err != nil {
		w.file.Close()
		return nil, err
	}
	return w, nil
}

// prepare makes the functions that the system is called by.
func (c *quietConn) prepare() {
	c.receive = func(fd uintptr) { c.nRead, c.readErr = unix.Read(int(fd), c.reading) }
	c.send = func(fd uintptr) { c.nWritten, c.writeErr = unix.Write(int(fd), c.writing) }
	c.readOn = c.readOrWait
	c.writeOn = c.writeOrWait
}

// readOrWait reports false if nothing has arrived, and that will be told.
func (c *quietConn) readOrWait(epoll uintptr) bool {
	for {
		if err := c.raw.Control(c.receive); err != nil {
			c.readErr = err
		}
		if c.readErr != unix.EAGAIN {
			return true
		}
		// An instance that has told of something may tell of more only after it was asked what there is.
		if !ask(int(epoll)) {
			return false
		}
	}
}

// writeOrWait reports false if there is no room, and that there is will be told.
func (c *quietConn) writeOrWait(epoll uintptr) bool {
	if err := c.raw.Control(c.send); err != nil {
		c.writeErr = err
	}
	if c.writeErr != unix.EAGAIN {
		return true
	}
	ask(int(epoll))
	once := unix.EpollEvent{Events: unix.EPOLLOUT | unix.EPOLLONESHOT}
	var modifyErr error
	err := c.raw.Control(func(fd uintptr) { modifyErr = unix.EpollCtl(int(epoll), unix.EPOLL_CTL_MOD, int(fd), &once) })
	c.writeErr = errors.Join(err, modifyErr)
	return c.writeErr != nil
}

// ask asks an epoll instance what there is, and reports whether there was something.
func ask(epoll int) bool {
	var events [1]unix.EpollEvent
	n, err := unix.EpollWait(epoll, events[:], 0)
	return err == nil && n > 0
}

// Read implements net.Conn.
func (c *quietConn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c.reading, c.nRead = p, 0
	err := c.arrived.raw.Read(c.readOn)
	c.reading = nil
	switch {
	case err != nil:
		return 0, c.failure(err)
	case c.readErr != nil:
		return 0, c.failure(c.readErr)
	case c.nRead == 0:
		return 0, c.failure(io.EOF)
	}
	return c.nRead, nil
}

// Write implements net.Conn.
func (c *quietConn) Write(p []byte) (written int, err error) {
	c.writes.Lock()
	defer c.writes.Unlock()
	for written < len(p) {
		c.writing, c.nWritten = p[written:], 0
		err := c.room.raw.Read(c.writeOn)
		c.writing = nil
		if err == nil {
			err = c.writeErr
		}
		if err != nil {
			return written, c.failure(err)
		}
		written += c.nWritten
	}
	return written, nil
}

// tryWrite writes without waiting, also for somebody else who writes, and returns how much was written.
func (c *quietConn) tryWrite(p []byte) int {
	if !c.writes.TryLock() {
		return 0
	}
	defer c.writes.Unlock()
	c.writing = p
	err := c.raw.Control(c.send)
	c.writing = nil
	if err != nil || c.writeErr != nil {
		return 0
	}
	return c.nWritten
}

// failure gives the error of a closed connection its usual name: package os has one that cannot be told
// apart, and what is waited for ends by itself, too.
func (c *quietConn) failure(err error) error {
	if c.closed.Load() {
		return net.ErrClosed
	}
	return err
}

// CloseRead lets nothing more arrive; what has arrived can be read.
func (c *quietConn) CloseRead() error { return c.shutdown(unix.SHUT_RD) }

func (c *quietConn) shutdown(how int) (err error) {
	controlErr := c.raw.Control(func(fd uintptr) { err = unix.Shutdown(int(fd), how) })
	return errors.Join(err, controlErr)
}

// Close implements net.Conn. Who reads or writes gets net.ErrClosed.
func (c *quietConn) Close() error { return c.close() }

func (c *quietConn) closeAll() error {
	c.closed.Store(true)
	_ = c.shutdown(unix.SHUT_RDWR) // it fails if the other end is gone
	return c.release()
}

// release closes what has been opened.
func (c *quietConn) release() error {
	var errs []error
	for _, w := range []*waiter{c.arrived, c.room} {
		if w != nil {
			errs = append(errs, w.file.Close())
		}
	}
	if c.socket != nil {
		errs = append(errs, c.socket.Close())
	}
	return errors.Join(errs...)
}

// LocalAddr implements net.Conn.
func (c *quietConn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements net.Conn.
func (c *quietConn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline implements net.Conn.
func (c *quietConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline implements net.Conn.
func (c *quietConn) SetReadDeadline(t time.Time) error { return c.arrived.file.SetReadDeadline(t) }

// SetWriteDeadline implements net.Conn.
func (c *quietConn) SetWriteDeadline(t time.Time) error { return c.room.file.SetReadDeadline(t) }
