//go:build unix

package agentlink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// MakeWaker makes the FIFO in the directory of a link, for this process's user. Whoever runs the agent as another
// user gives it to that one. The caller closes what is returned once the agent has opened it: there are sandboxes
// in which that waits until somebody has it open for writing.
func MakeWaker(dir string) (io.Closer, error) {
	path := wakePath(dir)
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return nil, fmt.Errorf("make FIFO to wake an agent: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fmt.Errorf("make FIFO to wake an agent: %w", err)
	}
	return f, nil
}

// OpenWaker opens the FIFO. It fails where there is none, or none that can be waited for; the agent does without
// then. The caller closes it.
func OpenWaker(b Bootstrap) (*Waker, error) {
	// Without waiting for a writer. In a sandbox the directory can only be read, and that holds for a FIFO too.
	f, err := os.OpenFile(wakePath(b.LinkDir), os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	w := &Waker{fifo: f}
	err = checkFIFO(f)
	if err == nil {
		err = f.SetReadDeadline(time.Time{}) // it fails where Go cannot wait for it
	}
	if err == nil {
		w.raw, err = f.SyscallConn()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return w, nil
}

// Waker is an agent's end of the FIFO of its link. It is for one goroutine at a time.
type Waker struct {
	fifo *os.File
	raw  syscall.RawConn
}

// Close ends it.
func (w *Waker) Close() error { return w.fifo.Close() }

// Wait waits until the node has said that it is there, since the last Wait too, and reports whether it has. It
// gives up after some time, and when ctx ends. The error is for a FIFO that is of no use any more.
func (w *Waker) Wait(ctx context.Context, patience time.Duration) (told bool, err error) {
	if err := w.fifo.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return false, err
	}
	defer context.AfterFunc(ctx, func() { _ = w.fifo.SetReadDeadline(time.Unix(1, 0)) })()
	var readErr error
	err = w.raw.Read(func(fd uintptr) bool {
		var said [16]byte // by several nodes, perhaps
		var n int
		n, readErr = unix.Read(int(fd), said[:])
		told = n > 0
		// Its end means that nobody has it open for writing, and somebody will.
		return told || readErr != nil && readErr != unix.EAGAIN && readErr != unix.EINTR
	})
	if told || errors.Is(err, os.ErrDeadlineExceeded) {
		return told, nil
	}
	return false, errors.Join(err, readErr)
}

// Wake tells the agent whose link has this directory that its node is there. An agent that does not listen is
// fine, and so is one that has been told before and has not looked.
func Wake(dir string) error {
	f, err := os.OpenFile(wakePath(dir), os.O_WRONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := checkFIFO(f); err != nil {
		return err
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var writeErr error
	err = raw.Control(func(fd uintptr) { _, writeErr = unix.Write(int(fd), []byte{'w'}) }) // package os would wait for room
	if errors.Is(writeErr, unix.EAGAIN) || errors.Is(writeErr, unix.EPIPE) {
		writeErr = nil
	}
	return errors.Join(err, writeErr)
}

// checkFIFO fails for a file that somebody has put there in place of the FIFO.
func checkFIFO(f *os.File) error {
	info, err := f.Stat()
	if err == nil && info.Mode().Type() != os.ModeNamedPipe {
		err = fmt.Errorf("%s is no FIFO", f.Name())
	}
	return err
}
