package vminit

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/guest"
)

// findPort returns the path of the virtio-serial port of the node among the devices in dev, empty if there is none yet.
func findPort(dev string) string {
	names, _ := filepath.Glob("/sys/class/virtio-ports/*/name") // the pattern is well-formed
	for _, file := range names {
		if b, err := os.ReadFile(file); err == nil && strings.TrimSpace(string(b)) == guest.PortName {
			return filepath.Join(dev, filepath.Base(filepath.Dir(file)))
		}
	}
	return ""
}

// openPort opens the port so that waiting for it costs no thread.
func openPort(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// portConn is what the node says on a port between its coming and its going.
type portConn struct {
	file   *os.File
	raw    syscall.RawConn
	closed atomic.Bool
	begun  bool // something has come; it belongs to the reader
}

// newPortConn waits for the node with its first read. The one before must be closed.
func newPortConn(file *os.File) (*portConn, error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	if err := file.SetDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("use %s: %w", file.Name(), err)
	}
	return &portConn{file: file, raw: raw}, nil
}

func (p *portConn) Read(b []byte) (n int, err error) {
	failed := p.raw.Read(func(fd uintptr) bool {
		n, err = unix.Read(int(fd), b)
		switch {
		case p.closed.Load():
			n, err = 0, os.ErrClosed
		case errors.Is(err, unix.EINTR):
			n, err = 0, nil // yet it is an answer: the caller comes again
		case errors.Is(err, unix.EAGAIN), err == nil && n == 0 && !p.begun:
			// Nobody is there, or has said something. The port becomes ready with either.
			return false
		case err == nil && n == 0:
			err = io.EOF
		}
		return true
	})
	n = max(n, 0)
	if failed != nil {
		return 0, os.ErrClosed
	}
	p.begun = p.begun || n > 0
	return n, err
}

func (p *portConn) Write(b []byte) (written int, err error) {
	failed := p.raw.Write(func(fd uintptr) bool {
		for written < len(b) {
			if p.closed.Load() {
				err = os.ErrClosed
				return true
			}
			var n int
			n, err = unix.Write(int(fd), b[written:])
			switch {
			case errors.Is(err, unix.EINTR):
			case errors.Is(err, unix.EAGAIN):
				err = nil
				return false
			case err != nil:
				return true
			}
			written += max(n, 0)
		}
		err = nil
		return true
	})
	if failed != nil {
		err = os.ErrClosed
	}
	return written, err
}

// Close wakes who waits. The port stays open for the next one.
func (p *portConn) Close() error {
	p.closed.Store(true)
	return p.file.SetDeadline(time.Unix(1, 0))
}

// listenPort serves the node at its port, as long as the VM runs.
func (n *nodes) listenPort() error {
	e, err := listenEvents()
	if err != nil {
		return err
	}
	err = e.until("port "+guest.PortName, func() bool { return findPort(n.dev) != "" })
	e.close()
	if err != nil {
		return err
	}
	file, err := openPort(findPort(n.dev))
	if err != nil {
		return err
	}
	defer file.Close()
	for {
		conn, err := newPortConn(file)
		if err != nil {
			return err
		}
		n.serve(conn)
	}
}
