package microvmtest

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// checkClock checks that a machine has the time of the host. Its kernel says it, in milliseconds since midnight, to who
// asks by ICMP.
func checkClock(t *testing.T, a netip.Addr) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMP)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	timeout := unix.NsecToTimeval(Patience.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		t.Fatal(err)
	}
	const request, reply, length = 13, 14, 20
	ask := make([]byte, length)
	ask[0] = request
	binary.BigEndian.PutUint16(ask[2:], checksum(ask))
	if err := unix.Sendto(fd, ask, 0, &unix.SockaddrInet4{Addr: a.As4()}); err != nil {
		t.Fatalf("ask %s for its time: %v", a, err)
	}
	for packet := make([]byte, 1500); ; {
		n, from, err := unix.Recvfrom(fd, packet, 0)
		if err != nil {
			t.Fatalf("%s does not say its time: %v", a, err)
		}
		header := int(packet[0]&0xf) * 4
		who, ok := from.(*unix.SockaddrInet4)
		if !ok || netip.AddrFrom4(who.Addr) != a || n < header+length || packet[header] != reply {
			continue // of somebody else
		}
		const day = 24 * time.Hour
		theirs := time.Duration(binary.BigEndian.Uint32(packet[header+12:])) * time.Millisecond
		off := time.Now().UTC().Sub(time.Now().UTC().Truncate(day)) - theirs
		if off = min(off.Abs(), day-off.Abs()); off > time.Minute {
			t.Errorf("the time of %s is %v off", a, off)
		}
		return
	}
}

// checksum is that of an internet message.
func checksum(b []byte) uint16 {
	var sum uint32
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
