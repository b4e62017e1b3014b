//go:build linux

package network_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/network"
)

// pair is a connection of a program of the machine with a sandbox, which has both ends open.
type pair struct{ here, inside net.Conn }

// accepted connects from ns to addr, which leads to l.
func accepted(t *testing.T, l net.Listener, ns, addr string) pair {
	t.Helper()
	inside, err := open(t, ns, "tcp4", addr)
	must(t, err)
	t.Cleanup(func() { _ = inside.Close() })
	here, err := l.Accept()
	must(t, err)
	t.Cleanup(func() { _ = here.Close() })
	return pair{here, inside}
}

// into connects from the machine to a sandbox.
func into(t *testing.T, ns string, addr netip.Addr) pair {
	t.Helper()
	var l net.Listener
	within(t, ns, func() {
		var err error
		l, err = net.Listen("tcp4", hostPort(addr, "0"))
		must(t, err)
	})
	defer func() { _ = l.Close() }()
	here, err := net.Dial("tcp4", l.Addr().String())
	must(t, err)
	t.Cleanup(func() { _ = here.Close() })
	inside, err := l.Accept()
	must(t, err)
	t.Cleanup(func() { _ = inside.Close() })
	return pair{here, inside}
}

// says sends a line from within, and waits until it is there to be read.
func (p pair) says(t *testing.T, line string) {
	t.Helper()
	_, err := io.WriteString(p.inside, line+"\n")
	must(t, err, p.here.SetReadDeadline(time.Now().Add(10*time.Second)))
	raw, err := p.here.(*net.TCPConn).SyscallConn()
	must(t, err)
	must(t, raw.Read(func(fd uintptr) bool {
		buf := make([]byte, len(line)+1)
		n, _, err := unix.Recvfrom(int(fd), buf, unix.MSG_PEEK)
		return !errors.Is(err, unix.EAGAIN) && (err != nil || n == len(buf))
	}))
}

// wantEnded checks that what was said can be read, and then an error soon.
func (p pair) wantEnded(t *testing.T, said string) {
	t.Helper()
	must(t, p.here.SetReadDeadline(time.Now().Add(time.Second)))
	r := bufio.NewReader(p.here)
	if line, err := r.ReadString('\n'); line != said+"\n" || err != nil {
		t.Errorf("what was said is %q, %v, want %q", line, err, said)
	}
	if _, err := r.ReadByte(); !errors.Is(err, unix.ECONNABORTED) {
		t.Errorf("a connection with what is gone reads: %v, want it aborted", err)
	}
}

// wantGoesOn checks that a connection is as before.
func (p pair) wantGoesOn(t *testing.T) {
	t.Helper()
	must(t, errors.Join(p.here.SetDeadline(time.Now().Add(10*time.Second)), p.inside.SetDeadline(time.Now().Add(10*time.Second))))
	for _, way := range [][2]net.Conn{{p.here, p.inside}, {p.inside, p.here}} {
		_, err := way[0].Write([]byte("x"))
		if err == nil {
			_, err = io.ReadFull(way[1], make([]byte, 1))
		}
		if err != nil {
			t.Errorf("the connection with another does not go on: %v", err)
		}
	}
}

// Programs of the machine learn that a sandbox is gone which could not say so.
func TestCloseEndsConnections(t *testing.T) {
	newWorld(t)
	m := openManager(t, network.Config{})
	listeners := map[uint16]net.Listener{}
	for port, addr := range map[uint16]string{4222: "127.0.0.1:0", 4223: ":0"} { // the second is one of IPv6, for both
		l, err := net.Listen("tcp", addr)
		must(t, err)
		defer func() { _ = l.Close() }()
		listeners[port] = l
		must(t, m.Expose(port, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), l.Addr().(*net.TCPAddr).AddrPort().Port())))
	}
	all := func(ep *network.Endpoint) (pairs []pair) {
		for port, l := range listeners {
			pairs = append(pairs, accepted(t, l, ep.Namespace(), hostPort(m.Gateway(), fmt.Sprint(port))))
		}
		return append(pairs, into(t, ep.Namespace(), ep.Addr()))
	}
	other := attach(t, m, "other", nex.Egress{})
	others := all(other)
	for name, vanish := range map[string]func(ep *network.Endpoint){
		"still there": func(*network.Endpoint) {},
		"without its interface": func(ep *network.Endpoint) {
			within(t, ep.Namespace(), func() {
				l, err := netlink.LinkByName("veth0")
				must(t, err, netlink.LinkDel(l))
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			ep := attach(t, m, "a", nex.Egress{})
			pairs := all(ep)
			for i, p := range pairs {
				p.says(t, fmt.Sprint("last words ", i))
			}
			vanish(ep)
			must(t, ep.Close())
			for i, p := range pairs {
				p.wantEnded(t, fmt.Sprint("last words ", i))
			}
			for _, p := range others {
				p.wantGoesOn(t)
			}
		})
	}
	for port := range listeners { // who listens still does
		accepted(t, listeners[port], other.Namespace(), hostPort(m.Gateway(), fmt.Sprint(port))).wantGoesOn(t)
	}
}

// What an earlier process left ends the same way, once it is removed.
func TestLeftoversEndConnections(t *testing.T) {
	newWorld(t)
	kill := startCrashing(t)
	addressIn := func(ns string) (a netip.Addr) {
		within(t, ns, func() {
			l, err := netlink.LinkByName("veth0")
			must(t, err)
			addrs, err := netlink.AddrList(l, netlink.FAMILY_V4)
			must(t, err)
			a, _ = netip.AddrFromSlice(addrs[0].IP.To4())
		})
		return a
	}
	const idleNS, usedNS = "/run/netns/next1-idle", "/run/netns/next1-used"
	idle, used := into(t, idleNS, addressIn(idleNS)), into(t, usedNS, addressIn(usedNS))
	end := sleepIn(t, usedNS)
	kill()
	idle.says(t, "idle")
	m, err := network.Open(t.Context(), network.Config{Name: "t1", Nameservers: []netip.Addr{netip.MustParseAddr(nameServer)}})
	must(t, err)
	defer func() { must(t, m.Close()) }()
	wantSwept(t, m, 1)
	idle.wantEnded(t, "idle")
	used.wantGoesOn(t)
	used.says(t, "used")
	end()
	wantSwept(t, m, 1)
	used.wantEnded(t, "used")
}

// How long closing takes among connections of others.
func BenchmarkCloseAmongConnections(b *testing.B) {
	m := openManager(b, network.Config{})
	addr := serveTCP(b, "127.0.0.1:0").String()
	for range 300 {
		c, err := net.Dial("tcp4", addr)
		must(b, err)
		b.Cleanup(func() { _ = c.Close() })
	}
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		ep, err := m.Attach(b.Context(), fmt.Sprintf("s%d", i), nex.Egress{})
		must(b, err)
		b.StartTimer()
		must(b, ep.Close())
	}
}
