//go:build linux

package network_test

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/network"
)

// sendPacket sends a UDP packet out of a sandbox as its interface does, whatever its stack would say.
func sendPacket(t *testing.T, ns string, from, to netip.AddrPort) {
	t.Helper()
	within(t, ns, func() {
		link, err := netlink.LinkByName("veth0")
		must(t, err)
		neighbours, err := netlink.NeighList(link.Attrs().Index, netlink.FAMILY_V4)
		must(t, err)
		if len(neighbours) != 1 {
			t.Fatalf("neighbours are %v", neighbours)
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
		must(t, err)
		defer func() { _ = unix.Close(fd) }()
		frame := append([]byte{}, neighbours[0].HardwareAddr...)
		frame = append(frame, link.Attrs().HardwareAddr...)
		frame = append(frame, 0x08, 0x00)
		frame = append(frame, udpPacket(from, to)...)
		must(t, unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: link.Attrs().Index, Halen: 6}))
	})
}

// udpPacket is an IPv4 packet with one byte.
func udpPacket(from, to netip.AddrPort) []byte {
	p := make([]byte, 29)
	p[0], p[8], p[9] = 0x45, 64, unix.IPPROTO_UDP
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	copy(p[12:], from.Addr().AsSlice())
	copy(p[16:], to.Addr().AsSlice())
	var sum uint32
	for i := 0; i < 20; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(p[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(p[10:], ^uint16(sum))
	binary.BigEndian.PutUint16(p[20:], from.Port())
	binary.BigEndian.PutUint16(p[22:], to.Port())
	binary.BigEndian.PutUint16(p[24:], 9)
	p[28] = 'x'
	return p
}

// listen receives packets in a namespace: it returns where the next one is from.
func listen(t *testing.T, ns, addr string) (next func(wait time.Duration) (netip.AddrPort, bool)) {
	t.Helper()
	var c *net.UDPConn
	within(t, ns, func() {
		var err error
		c, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr)))
		must(t, err)
	})
	t.Cleanup(func() { _ = c.Close() })
	return func(wait time.Duration) (netip.AddrPort, bool) {
		must(t, c.SetReadDeadline(time.Now().Add(wait)))
		_, from, err := c.ReadFromUDPAddrPort(make([]byte, 10))
		return from, err == nil
	}
}

// A sandbox sends from its own address only, and nothing to loopback, though its interface may lead there.
func TestForgedPackets(t *testing.T) {
	w := newWorld(t)
	m := openManager(t, network.Config{})
	must(t, m.Expose(4222, netip.MustParseAddrPort("127.0.0.1:4222"))) // so that there is a way to loopback
	ep, victim := attach(t, m, "a", nex.Egress{}), attach(t, m, "b", nex.Egress{})
	public := netip.MustParseAddrPort(publicAddr + ":7000")
	outside := listen(t, w.path, public.String())
	own := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(ep.Addr(), port) }

	for _, from := range []netip.Addr{victim.Addr(), m.Gateway(), netip.MustParseAddr(nodeAddr), netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("127.0.0.1")} {
		sendPacket(t, ep.Namespace(), netip.AddrPortFrom(from, 5000), public)
	}
	sendPacket(t, ep.Namespace(), own(5001), public)
	// Packets stay in order, so the first to come would be a forged one.
	if from, ok := outside(10 * time.Second); !ok || from.String() != nodeAddr+":5001" {
		t.Errorf("the first packet outside is from %s, %v, want the one that is not forged", from, ok)
	}
	if from, ok := outside(0); ok {
		t.Errorf("one more packet is from %s", from)
	}

	home := "/proc/self/ns/net"
	local, gateway := listen(t, home, "127.0.0.1:7001"), listen(t, home, m.Gateway().String()+":7001")
	sendPacket(t, ep.Namespace(), own(5002), netip.MustParseAddrPort("127.0.0.1:7001"))
	sendPacket(t, ep.Namespace(), own(5002), netip.AddrPortFrom(m.Gateway(), 7001))
	sendPacket(t, ep.Namespace(), own(5003), public) // after them
	if _, ok := outside(10 * time.Second); !ok {
		t.Error("a packet that is not forged is lost")
	}
	if from, ok := local(time.Millisecond); ok {
		t.Errorf("loopback got a packet from %s", from)
	}
	if from, ok := gateway(time.Millisecond); ok {
		t.Errorf("a port of the gateway got a packet from %s", from)
	}
}
