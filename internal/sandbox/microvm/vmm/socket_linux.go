package vmm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// maxSocketPath is how long the path of a unix socket may be on every system.
const maxSocketPath = 103

// Listen makes a unix socket with that name in a directory, whose path may be of any length. The name stays when
// the listener is closed.
func Listen(dir, name string) (*net.UnixListener, error) {
	path, release, err := socketPath(dir, name)
	if err != nil {
		return nil, fmt.Errorf("make socket %s: %w", name, err)
	}
	defer release()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("make socket %s in %s: %w", name, dir, err)
	}
	l.SetUnlinkOnClose(false) // the path may mean something else then
	return l, nil
}

// Dial connects to a unix socket with that name in a directory, whose path may be of any length. Who can write to
// that directory, as a machine's process can, cannot have us connect to a socket elsewhere.
func Dial(ctx context.Context, dir, name string) (*net.UnixConn, error) {
	conn, err := dial(ctx, dir, name)
	if err != nil {
		return nil, fmt.Errorf("connect to socket %s in %s: %w", name, dir, err)
	}
	return conn, nil
}

func dial(ctx context.Context, dir, name string) (*net.UnixConn, error) {
	d, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(d)
	s, err := unix.Openat(d, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(s)
	var stat unix.Stat_t
	if err := unix.Fstat(s, &stat); err != nil {
		return nil, err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return nil, errors.New("it is no socket")
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", filepath.Join("/proc/self/fd", strconv.Itoa(s)))
	if ctx.Err() != nil {
		if err == nil {
			_ = conn.Close() // it is of no use
		}
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, err
	}
	return conn.(*net.UnixConn), nil
}

// socketPath is a path that is short enough for the kernel. The caller calls release when it has used it.
func socketPath(dir, name string) (path string, release func(), err error) {
	path = filepath.Join(dir, name)
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return "", nil, err
	}
	return filepath.Join("/proc/self/fd", strconv.Itoa(int(d.Fd())), name), func() { d.Close() }, nil
}
