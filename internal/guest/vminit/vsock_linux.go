package vminit

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/guest"
)

// listenVsock serves the node at its port of vsock, if the VM has that.
func (n *nodes) listenVsock() error {
	fd, err := unix.Socket(unix.AF_VSOCK, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	if err != nil {
		return err
	}
	l := os.NewFile(uintptr(fd), "vsock")
	err = unix.Bind(fd, &unix.SockaddrVM{CID: unix.VMADDR_CID_ANY, Port: guest.VsockPort})
	if err == nil {
		err = unix.Listen(fd, 8)
	}
	if err != nil {
		l.Close()
		return fmt.Errorf("listen at port %d: %w", guest.VsockPort, err)
	}
	go n.acceptVsock(l) // as long as the VM runs
	return nil
}

// isHost reports whether an address is that of the host, where the node is. Programs in the VM may connect, too.
func isHost(a unix.Sockaddr) bool {
	from, ok := a.(*unix.SockaddrVM)
	return ok && from.CID == unix.VMADDR_CID_HOST
}

func (n *nodes) acceptVsock(l *os.File) {
	defer l.Close()
	raw, err := l.SyscallConn()
	for err == nil {
		conn := -1
		var from unix.Sockaddr
		var refused error
		err = raw.Read(func(fd uintptr) bool {
			conn, from, refused = unix.Accept4(int(fd), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
			return !errors.Is(refused, unix.EAGAIN)
		})
		switch {
		case err != nil || errors.Is(refused, unix.EINTR) || errors.Is(refused, unix.ECONNABORTED):
		case refused != nil:
			err = refused
		case !isHost(from):
			_ = unix.Close(conn) // nothing was written
		default:
			go n.serve(os.NewFile(uintptr(conn), "vsock")) // ends with the connection
		}
	}
	say("the node cannot connect any more: " + err.Error())
}
