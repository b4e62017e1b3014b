package firecracker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/guest"
	"github.com/nex-engine/nex/internal/sandbox/microvm/firecracker/fcapi"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
)

// Dial implements [vmm.VMM]. It fails while nobody listens inside.
func (f *Firecracker) Dial(ctx context.Context, m vmm.Machine) (net.Conn, error) {
	conn, err := vmm.Dial(ctx, f.root(m), vsockSocket)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	err = callPort(conn, guest.VsockPort)
	if !stop() { // the deadline is set, or is about to be
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = conn.Close() // it is of no use
		return nil, err
	}
	return conn, nil
}

// callPort has firecracker connect a stream to a port of the guest.
func callPort(rw io.ReadWriter, port int) error {
	if _, err := fmt.Fprintf(rw, "CONNECT %d\n", port); err != nil {
		return fmt.Errorf("call port %d of the machine: %w", port, err)
	}
	// What follows the answer is for the caller, so that it is read byte by byte.
	const most = len("OK 4294967295\n")
	var answer strings.Builder
	var next [1]byte
	for answer.Len() < most {
		if _, err := io.ReadFull(rw, next[:]); errors.Is(err, io.EOF) {
			return fmt.Errorf("call port %d of the machine: nobody listens there", port)
		} else if err != nil {
			return fmt.Errorf("call port %d of the machine: %w", port, err)
		}
		if next[0] == '\n' {
			break
		}
		answer.WriteByte(next[0])
	}
	number, ok := strings.CutPrefix(answer.String(), "OK ")
	if _, err := strconv.ParseUint(number, 10, 32); !ok || err != nil || next[0] != '\n' {
		return fmt.Errorf("call port %d of the machine: firecracker answers %q", port, answer.String())
	}
	return nil
}

// api returns a client of a machine's process. The caller closes it.
func (f *Firecracker) api(m vmm.Machine) *fcapi.Client {
	return fcapi.New(func(ctx context.Context) (net.Conn, error) {
		conn, err := vmm.Dial(ctx, f.root(m), apiSocket)
		if err != nil {
			return nil, err // and no nil connection in an interface
		}
		return conn, nil
	})
}

// awaitAPI returns when the process has its socket.
func (f *Firecracker) awaitAPI(ctx context.Context, m vmm.Machine) error {
	dir := f.root(m)
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return fmt.Errorf("await firecracker: %w", err)
	}
	events := os.NewFile(uintptr(fd), "inotify")
	defer events.Close()
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_CREATE|unix.IN_ONLYDIR); err != nil {
		return fmt.Errorf("await firecracker in %s: %w", dir, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = events.Close() })
	defer stop()
	for pause := time.Millisecond; ; {
		conn, err := vmm.Dial(ctx, dir, apiSocket)
		switch {
		case err == nil:
			return conn.Close()
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, unix.ECONNREFUSED):
			// The socket has its name, and is about to take connections. Nothing tells when.
			_ = events.SetReadDeadline(time.Now().Add(pause))
			pause *= 2
		case !errors.Is(err, unix.ENOENT):
			return err
		}
		// Whatever is read, or not, it is time to look again.
		var event [unix.SizeofInotifyEvent + unix.NAME_MAX + 1]byte
		if _, err := events.Read(event[:]); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil {
			return fmt.Errorf("await firecracker in %s: %w", dir, err)
		}
	}
}
