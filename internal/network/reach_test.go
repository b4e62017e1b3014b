//go:build linux

package network_test

import (
	"bufio"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/network"
)

// hostPort is host and port as one string.
func hostPort(a netip.Addr, port string) string { return net.JoinHostPort(a.String(), port) }

// wantUDPRefused checks that a UDP packet is refused.
func wantUDPRefused(t *testing.T, path, addr string) {
	t.Helper()
	if saw, err := dial(t, path, "udp4", addr); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("UDP to %s: %v, answered to %q, want it refused", addr, err, saw)
	}
}

func TestReachByDefault(t *testing.T) {
	newWorld(t)
	m := openManager(t, network.Config{})
	if got := m.Gateway().String(); got != "192.168.127.1" {
		t.Errorf("gateway is %s", got)
	}
	a, b := attach(t, m, "a", nex.Egress{}), attach(t, m, "b", nex.Egress{})
	ns := a.Namespace()

	wantReached(t, ns, publicAddr+":80", nodeAddr)
	wantReached(t, b.Namespace(), publicAddr+":80", nodeAddr)
	if saw, err := dial(t, ns, "udp4", publicAddr+":7777"); err != nil || saw != nodeAddr {
		t.Errorf("UDP: %v, seen as %q", err, saw)
	}
	for _, addr := range []string{metadata, privateOne, privateTwo, carrier, homeNet, routerAddr} {
		if _, err := dial(t, "", "tcp4", addr+":80"); err != nil {
			t.Errorf("the node cannot reach %s: %v", addr, err)
		}
		if _, err := dial(t, "", "udp4", addr+":7777"); err != nil {
			t.Errorf("the node cannot reach %s: %v", addr, err)
		}
		wantRefused(t, ns, addr+":80")
		wantUDPRefused(t, ns, addr+":7777")
	}
	// Of the machine's own addresses none is open, whether a service is there for all or for some.
	serveTCP(t, "0.0.0.0:9999")
	serveUDP(t, m.Gateway().String()+":9998")
	serveUDP(t, nodeAddr+":9998")
	for _, addr := range []string{m.Gateway().String(), nodeAddr} {
		if _, err := dial(t, "", "tcp4", addr+":9999"); err != nil {
			t.Errorf("the node cannot reach %s: %v", addr, err)
		}
		if _, err := dial(t, "", "udp4", addr+":9998"); err != nil {
			t.Errorf("the node cannot reach %s: %v", addr, err)
		}
		wantRefused(t, ns, addr+":9999")
		wantUDPRefused(t, ns, addr+":9998")
	}
	// Nor is another sandbox, though the machine reaches it.
	within(t, b.Namespace(), func() { serveTCP(t, "0.0.0.0:80") })
	wantReached(t, "", hostPort(b.Addr(), "80"), m.Gateway().String())
	wantRefused(t, ns, hostPort(b.Addr(), "80"))
	wantReached(t, b.Namespace(), hostPort(b.Addr(), "80"), b.Addr().String())
}

// What is exposed on another machine counts as any connection: the kernel keeps each in its table.
func TestExposedBounded(t *testing.T) {
	newWorld(t)
	m := openManager(t, network.Config{})
	must(t, m.Expose(4333, netip.MustParseAddrPort(privateOne+":80")))
	ep, neighbour := attach(t, m, "a", nex.Egress{}), attach(t, m, "b", nex.Egress{})
	gateway := hostPort(m.Gateway(), "4333")
	c, err := open(t, ep.Namespace(), "tcp4", gateway)
	must(t, err)
	defer func() { _ = c.Close() }()
	fillConnections(t, ep.Namespace())
	wantRefused(t, ep.Namespace(), gateway)
	wantReached(t, neighbour.Namespace(), gateway, nodeAddr)
	// The one that is there goes on.
	must(t, c.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = c.Write([]byte("still here\n"))
	must(t, err)
	lines := bufio.NewReader(c)
	for _, want := range []string{nodeAddr, "still here"} {
		if got, err := lines.ReadString('\n'); err != nil || !strings.HasPrefix(got, want) {
			t.Errorf("the connection says %q, %v, want %q", got, err, want)
		}
	}
}

func TestExpose(t *testing.T) {
	w := newWorld(t)
	m := openManager(t, network.Config{})
	before := attach(t, m, "a", nex.Egress{})
	local := serveTCP(t, "127.0.0.1:0")
	must(t, m.Expose(4222, local), m.Expose(4333, netip.MustParseAddrPort(privateOne+":80")))
	after := attach(t, m, "b", nex.Egress{Deny: []string{"*"}})
	for _, ep := range []*network.Endpoint{before, after} {
		wantReached(t, ep.Namespace(), hostPort(m.Gateway(), "4222"), ep.Addr().String())
		wantReached(t, ep.Namespace(), hostPort(m.Gateway(), "4333"), nodeAddr)
		wantRefused(t, ep.Namespace(), hostPort(m.Gateway(), "4223"))
		wantRefused(t, ep.Namespace(), nodeAddr+":4222")
		wantRefused(t, ep.Namespace(), privateOne+":80")
	}
	// Replaced for all; what others of the machine's network can reach is as before.
	second := serveTCP(t, "127.0.0.1:0")
	must(t, m.Expose(4333, local), m.Expose(4444, local), m.Expose(4444, second))
	wantReached(t, before.Namespace(), hostPort(m.Gateway(), "4333"), before.Addr().String())
	wantReached(t, before.Namespace(), hostPort(m.Gateway(), "4444"), before.Addr().String())
	wantRefused(t, w.path, nodeAddr+":4444")
	for _, bad := range []struct {
		port   uint16
		target string
	}{{53, "127.0.0.1:80"}, {0, "127.0.0.1:80"}, {80, "127.0.0.1:0"}, {80, "[::1]:80"}, {80, "0.0.0.0:80"}} {
		if err := m.Expose(bad.port, netip.MustParseAddrPort(bad.target)); err == nil {
			t.Errorf("port %d is led to %s", bad.port, bad.target)
		}
	}
}
