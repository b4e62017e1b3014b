//go:build linux

package network

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"

	"github.com/mdlayher/netlink"
	vnl "github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Parts of the kernel's protocol to look at sockets and end them (inet_diag).
const (
	socketBytecode = 1 // the attribute with a filter
	socketPeerIs   = 8 // its operation: compare the other end
	// connected are the states of sockets that have another end which they would wait for.
	connected = 1<<vnl.TCP_ESTABLISHED | 1<<vnl.TCP_SYN_SENT | 1<<vnl.TCP_SYN_RECV | 1<<vnl.TCP_FIN_WAIT1 |
		1<<vnl.TCP_FIN_WAIT2 | 1<<vnl.TCP_CLOSE_WAIT | 1<<vnl.TCP_LAST_ACK | 1<<vnl.TCP_CLOSING

	socketIDAt, socketIDLen = 4, 48 // in what the kernel says about a socket
)

// abort ends the TCP connections of this machine's programs with a, which is gone and can say so no more:
// without it they would wait for minutes. What has come from a can still be read, then there is an error.
// Nothing depends on it but how soon they know.
func abort(a netip.Addr, log *slog.Logger) {
	if err := abortConnections(a); err != nil {
		log.Debug("cannot end the connections of programs with a sandbox that is gone", "address", a, "error", err)
	}
}

func abortConnections(a netip.Addr) error {
	c, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, nil)
	if err != nil {
		return fmt.Errorf("ask for sockets: %w", err)
	}
	defer func() { _ = c.Close() }()
	var errs []error
	// Who listens on all addresses has IPv6 sockets, for IPv4 too.
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		sockets, err := c.Execute(socketRequest(unix.SOCK_DIAG_BY_FAMILY, netlink.Dump, family, nil, peerIs(a)))
		if err != nil {
			errs = append(errs, fmt.Errorf("list sockets: %w", err))
			continue
		}
		for _, s := range sockets {
			if len(s.Data) < socketIDAt+socketIDLen {
				continue
			}
			// The id has the socket's cookie, so that no other is meant if this one has ended meanwhile.
			id := s.Data[socketIDAt : socketIDAt+socketIDLen]
			_, err := c.Execute(socketRequest(unix.SOCK_DESTROY, netlink.Acknowledge, family, id, nil))
			if err != nil && !errors.Is(err, unix.ENOENT) {
				errs = append(errs, fmt.Errorf("end a socket: %w", err))
			}
		}
	}
	return errors.Join(errs...)
}

// socketRequest is about the TCP socket with an id, or about all that a filter lets pass.
func socketRequest(kind netlink.HeaderType, flags netlink.HeaderFlags, family byte, id, filter []byte) netlink.Message {
	data := make([]byte, 8+socketIDLen, 8+socketIDLen+len(filter))
	data[0], data[1] = family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(data[4:], connected)
	copy(data[8:], id)
	return netlink.Message{Header: netlink.Header{Type: kind, Flags: netlink.Request | flags}, Data: append(data, filter...)}
}

// peerIs is a filter for sockets whose other end has the address a, written as IPv6 too.
func peerIs(a netip.Addr) []byte {
	const size = 16
	b := make([]byte, 4+size)
	binary.NativeEndian.PutUint16(b, uint16(len(b)))
	binary.NativeEndian.PutUint16(b[2:], socketBytecode)
	op := b[4:]
	op[0], op[1] = socketPeerIs, size                 // if so, go to the end: pass
	binary.NativeEndian.PutUint16(op[2:], size+4)     // else beyond: do not
	op[4], op[5] = unix.AF_INET, 32                   // all bits
	binary.NativeEndian.PutUint32(op[8:], ^uint32(0)) // any port
	copy(op[12:], a.AsSlice())
	return b
}
