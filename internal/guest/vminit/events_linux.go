package vminit

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// deviceTimeout bounds how long it may take until a device is there, where the processor is emulated and others
// want it too.
const deviceTimeout = 10 * time.Second

// events are what the kernel says about devices.
type events struct{ fd int }

// listenEvents listens from now on. The caller closes it.
func listenEvents() (*events, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return nil, fmt.Errorf("listen for devices: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("listen for devices: %w", err)
	}
	return &events{fd}, nil
}

func (e *events) close() { unix.Close(e.fd) }

// await returns when there is such a device.
func (e *events) await(path string) error {
	return e.until(path, func() bool {
		_, err := os.Stat(path)
		return err == nil
	})
}

// until returns when what must be true is true, which may change with each event.
func (e *events) until(what string, is func() bool) error {
	deadline := time.Now().Add(deviceTimeout)
	buffer := make([]byte, 8192)
	for !is() {
		left := time.Until(deadline)
		if left <= 0 {
			return fmt.Errorf("the VM has no %s: it takes a disk with the root file system, an empty one, and a port for the node", what)
		}
		timeout := unix.NsecToTimeval(max(left, time.Millisecond).Nanoseconds())
		if err := unix.SetsockoptTimeval(e.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
			return fmt.Errorf("listen for devices: %w", err)
		}
		_, _, err := unix.Recvfrom(e.fd, buffer, 0)
		// With ENOBUFS there were more events than fit, and one of them may be the one.
		if err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.ENOBUFS) {
			return fmt.Errorf("listen for devices: %w", err)
		}
	}
	return nil
}
