package httpguard_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/hostservice/httpguard"
)

func newGuard(t testing.TB, allow ...string) *httpguard.Guard {
	t.Helper()
	g, err := httpguard.New(allow)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestCheckAddr(t *testing.T) {
	g := newGuard(t)
	for a, what := range map[string]string{
		"0.0.0.0": "an unspecified", "0.1.2.3": "a reserved", "10.0.0.0": "a private", "10.255.255.255": "a private",
		"100.64.0.0": "a carrier-internal", "100.127.255.255": "a carrier-internal", "127.0.0.1": "a loopback", "127.255.255.255": "a loopback",
		"169.254.0.0": "a link-local", "169.254.169.254": "a link-local", "172.16.0.0": "a private", "172.31.255.255": "a private",
		"192.0.0.1": "a reserved", "192.0.2.1": "a documentation", "192.88.99.1": "a 6to4 relay", "192.168.0.1": "a private",
		"198.18.0.0": "a benchmark", "198.19.255.255": "a benchmark", "198.51.100.1": "a documentation", "203.0.113.1": "a documentation",
		"224.0.0.1": "a multicast", "239.255.255.255": "a multicast", "240.0.0.1": "a reserved", "255.255.255.255": "a broadcast",
		"::": "an unspecified", "::1": "a loopback", "::2": "a reserved", "::127.0.0.1": "a reserved", "::ffff:127.0.0.1": "a loopback",
		"::ffff:10.1.2.3": "a private", "64:ff9b::127.0.0.1": "a loopback", "64:ff9b::169.254.169.254": "a link-local",
		"64:ff9b:1::1": "a locally translated", "100::1": "a reserved", "2001::1": "a reserved", "2001:2::1": "a reserved",
		"2001:db8::1": "a documentation", "2002:7f00:1::": "a 6to4", "2002:808:808::": "a 6to4", "3fff::1": "a documentation",
		"3fff:fff:ffff::": "a documentation", "4000::1": "a reserved", "5f00::1": "a reserved", "fc00::1": "a private", "fd12::1": "a private",
		"fe80::1": "a link-local", "fe80::1%eth0": "a link-local", "fec0::1": "a private", "ff02::1": "a multicast",
	} {
		err := g.CheckAddr("name.test", netip.MustParseAddr(a))
		var refusal *httpguard.Refusal
		if !errors.As(err, &refusal) || !strings.Contains(err.Error(), what+" address") {
			t.Errorf("%s: %v, want it refused as %s address", a, err, what)
		}
		if g.CheckHost(a) == nil {
			t.Errorf("%s may be called as a host", a)
		}
	}
	for _, a := range []string{
		"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255",
		"169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0",
		"223.255.255.255", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2000::1", "2001:200::1", "2001:4860:4860::8888", "2003::1", "2606:4700::1",
	} {
		if err := g.CheckAddr("name.test", netip.MustParseAddr(a)); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
}

func TestAllow(t *testing.T) {
	for _, c := range []struct{ entry, host, addr string }{
		{"10.0.0.0/8", "x.test", "10.1.2.3"},
		{"10.9.9.9/8", "x.test", "10.1.2.3"},
		{"::ffff:10.0.0.0/104", "x.test", "10.1.2.3"},
		{"::ffff:10.1.2.3", "x.test", "10.1.2.3"},
		{"10.1.2.3", "x.test", "::ffff:10.1.2.3"},
		{"0.0.0.0/0", "x.test", "127.0.0.1"},
		{"::/0", "x.test", "::1"},
		{"fe80::1", "x.test", "fe80::1%eth0"},
		{"API.example.com.", "api.Example.com", "8.8.8.8"},
		{"*.example.com", "a.b.example.com.", "8.8.8.8"},
	} {
		g := newGuard(t, c.entry)
		a := netip.MustParseAddr(c.addr)
		if err := errors.Join(g.CheckHost(c.host), g.CheckAddr(c.host, a)); err != nil {
			t.Errorf("with %s: %v", c.entry, err)
		}
		if err := g.CheckAddr("other.test", netip.MustParseAddr("9.9.9.9")); err == nil && c.entry != "0.0.0.0/0" {
			t.Errorf("with %s others may be called, too", c.entry)
		}
	}
	named := newGuard(t, "example.com", "*.example.org")
	for _, host := range []string{"www.example.com", "example.org", "xexample.org", "example.com.evil.test", "", ".", "evil.test"} {
		if named.CheckHost(host) == nil {
			t.Errorf("%q may be called", host)
		}
	}
	if named.CheckAddr("example.com", netip.MustParseAddr("127.0.0.1")) == nil {
		t.Error("a name makes loopback reachable")
	}
}

func TestNewRefuses(t *testing.T) {
	for _, entry := range []string{"", "*", "*.", ".", "a*.test", "*.*.test", "http://a.test", "a.test:80", "a b", "10.0.0.0/33", "a/b"} {
		if _, err := httpguard.New([]string{entry}); err == nil {
			t.Errorf("%q is taken for a host", entry)
		}
	}
}

// What is refused is refused before anything is sent, and what is dialled must be host and port.
func TestDialContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	dial := newGuard(t).DialContext(net.Dialer{})
	var refusal *httpguard.Refusal
	if _, err := dial(t.Context(), "tcp", l.Addr().String()); !errors.As(err, &refusal) {
		t.Errorf("dial of loopback: %v", err)
	}
	if _, err := dial(t.Context(), "tcp", "127.0.0.1"); err == nil {
		t.Error("dial without a port")
	}
	looked := errors.New("looked up")
	resolver := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, looked }}
	named := newGuard(t, "a.test").DialContext(net.Dialer{Resolver: resolver})
	if _, err := named(t.Context(), "tcp", "b.test:80"); !errors.As(err, &refusal) {
		t.Errorf("dial of a name that is not listed: %v", err)
	}
	c, err := newGuard(t, "127.0.0.1").DialContext(net.Dialer{})(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}

// Whatever the form of an address, one that is not public is refused, and an IPv4 address is judged
// the same in all its forms.
func FuzzCheckAddr(f *testing.F) {
	for _, s := range []string{"127.0.0.1", "8.8.8.8", "::1", "::ffff:10.1.2.3", "64:ff9b::7f00:1", "2002:7f00:1::1", "fe80::1", "2606:4700::1"} {
		f.Add(netip.MustParseAddr(s).AsSlice())
	}
	f.Add([]byte("x"))
	g := newGuard(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		err := g.CheckAddr("x.test", a)
		u := a.Unmap()
		if err == nil && (u.IsLoopback() || u.IsPrivate() || u.IsLinkLocalUnicast() || u.IsMulticast() || u.IsUnspecified()) {
			t.Errorf("%s may be called", a)
		}
		if !u.Is4() {
			return
		}
		v4 := u.As4()
		translated := netip.AddrFrom16([16]byte{1: 0x64, 2: 0xff, 3: 0x9b, 12: v4[0], 13: v4[1], 14: v4[2], 15: v4[3]})
		for _, form := range []netip.Addr{u, netip.AddrFrom16(u.As16()), translated} {
			if (g.CheckAddr("x.test", form) == nil) != (err == nil) {
				t.Errorf("%s is judged otherwise than %s", form, a)
			}
		}
	})
}

func FuzzNew(f *testing.F) {
	f.Add("*.example.com", "a.example.com")
	f.Add("10.0.0.0/8", "10.1.2.3")
	f.Add("::ffff:0.0.0.0/90", "::1")
	f.Add("fe80::1%eth0", "fe80::1")
	f.Fuzz(func(t *testing.T, entry, host string) {
		g, err := httpguard.New([]string{entry})
		if err != nil {
			return
		}
		err = g.CheckAddr(host, netip.MustParseAddr("8.8.8.8"))
		if err == nil && g.CheckHost(host) != nil {
			t.Errorf("with %q, %q may be called at an address, and yet not", entry, host)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("error %q is not one line", err)
		}
	})
}
