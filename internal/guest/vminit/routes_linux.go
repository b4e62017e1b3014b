package vminit

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"
)

// routes is a socket of rtnetlink, with as much of that as a VM needs: it is much less than a library has.
type routes struct {
	fd       int
	sequence uint32
}

// native is the order of bytes in messages.
var native = binary.NativeEndian

// raise sets an interface up, with an MTU if that is not 0, and a hardware address if there is one.
func (r *routes) raise(index, mtu int, address []byte) error {
	b := []byte{unix.AF_UNSPEC, 0, 0, 0} // family, padding, type
	b = native.AppendUint32(b, uint32(index))
	b = native.AppendUint32(b, unix.IFF_UP)
	b = native.AppendUint32(b, unix.IFF_UP) // which flags change
	if mtu > 0 {
		b = appendAttribute(b, unix.IFLA_MTU, native.AppendUint32(nil, uint32(mtu)))
	}
	if len(address) > 0 {
		b = appendAttribute(b, unix.IFLA_ADDRESS, address)
	}
	return r.do(unix.RTM_NEWLINK, 0, b)
}

// addAddress gives an interface an address. It is used at once: nobody else can have it.
func (r *routes) addAddress(index int, p netip.Prefix) error {
	b := []byte{family(p.Addr()), byte(p.Bits()), unix.IFA_F_NODAD, unix.RT_SCOPE_UNIVERSE}
	b = native.AppendUint32(b, uint32(index))
	b = appendAttribute(b, unix.IFA_LOCAL, p.Addr().AsSlice())
	b = appendAttribute(b, unix.IFA_ADDRESS, p.Addr().AsSlice())
	return r.do(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL, b)
}

// addGateway sends all that is elsewhere to a gateway, which is on the link whatever its address is.
func (r *routes) addGateway(index int, a netip.Addr) error {
	b := []byte{family(a), 0, 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_BOOT, unix.RT_SCOPE_UNIVERSE, unix.RTN_UNICAST}
	b = native.AppendUint32(b, unix.RTNH_F_ONLINK)
	b = appendAttribute(b, unix.RTA_GATEWAY, a.AsSlice())
	b = appendAttribute(b, unix.RTA_OIF, native.AppendUint32(nil, uint32(index)))
	return r.do(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, b)
}

func family(a netip.Addr) byte {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// appendAttribute appends an attribute, on a boundary of four bytes.
func appendAttribute(b []byte, kind uint16, value []byte) []byte {
	b = native.AppendUint16(b, uint16(unix.SizeofRtAttr+len(value)))
	b = native.AppendUint16(b, kind)
	b = append(b, value...)
	return append(b, make([]byte, -len(value)&3)...)
}

// do sends a message, and returns what the kernel says to it.
func (r *routes) do(kind, flags uint16, body []byte) error {
	r.sequence++
	b := native.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(body)))
	b = native.AppendUint16(b, kind)
	b = native.AppendUint16(b, unix.NLM_F_REQUEST|unix.NLM_F_ACK|flags)
	b = native.AppendUint32(b, r.sequence)
	b = native.AppendUint32(b, 0) // the kernel fills in whose it is
	b = append(b, body...)
	if err := unix.Sendto(r.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, 4096)
	for {
		n, _, err := unix.Recvfrom(r.fd, answer, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		return acknowledged(answer[:n])
	}
}

// acknowledged reads the kernel's answer: a header, and an error number that is not positive.
func acknowledged(b []byte) error {
	if len(b) < unix.SizeofNlMsghdr+4 || native.Uint16(b[4:]) != unix.NLMSG_ERROR {
		return errors.New("the kernel's answer is malformed")
	}
	if errno := int32(native.Uint32(b[unix.SizeofNlMsghdr:])); errno != 0 {
		return unix.Errno(-errno)
	}
	return nil
}
