//go:build linux

package network_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/network"
)

// The addresses of the world outside, and of the node in it.
const (
	nodeAddr   = "10.50.0.2"
	routerAddr = "10.50.0.1"
	publicAddr = "93.184.216.34"
	otherAddr  = "93.184.216.99"
	nameServer = "9.9.9.9"
	metadata   = "169.254.169.254"
	privateOne = "10.9.9.9"
	privateTwo = "172.16.5.5"
	carrier    = "100.64.1.1"
	homeNet    = "192.168.1.1"
)

// world is a network namespace that plays everything outside: all addresses are its own.
type world struct {
	path string
	dns  *nameTable
}

// within runs f in a network namespace. Sockets that f opens stay there.
func within(t testing.TB, path string, f func()) {
	t.Helper()
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = home.Close() }()
	there, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = there.Close() }()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
			panic(err)
		}
		runtime.UnlockOSThread()
	}()
	f()
}

// newNamespace makes a namespace that ends with the test.
func newNamespace(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		home, err := os.Open("/proc/thread-self/ns/net")
		if err == nil {
			err = errors.Join(unix.Unshare(unix.CLONE_NEWNET), unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, ""))
			if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
				runtime.UnlockOSThread()
			}
			_ = home.Close()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return path
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func cidr(s string) *netlink.Addr {
	a, err := netlink.ParseAddr(s)
	if err != nil {
		panic(err)
	}
	return a
}

// connect joins two namespaces by a pair of interfaces; the one here is called name.
func connect(t testing.TB, name, here, there, path string) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = name, 1400
	veth := netlink.NewVeth(attrs)
	veth.PeerName = "peer0"
	f, err := os.Open(path)
	must(t, err)
	defer func() { _ = f.Close() }()
	veth.PeerNamespace = netlink.NsFd(f.Fd())
	must(t, netlink.LinkAdd(veth))
	t.Cleanup(func() { _ = netlink.LinkDel(veth) })
	must(t, netlink.AddrAdd(veth, cidr(here)), netlink.LinkSetUp(veth))
	within(t, path, func() {
		l, err := netlink.LinkByName("peer0")
		must(t, err)
		lo, err := netlink.LinkByName("lo")
		must(t, err, netlink.LinkSetUp(lo), netlink.AddrAdd(l, cidr(there)), netlink.LinkSetUp(l))
	})
}

// newWorld makes a world, the way to it, and its servers.
func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{path: newNamespace(t, "world"), dns: newNameTable()}
	connect(t, "up0", nodeAddr+"/24", routerAddr+"/24", w.path)
	must(t, netlink.RouteAdd(&netlink.Route{Gw: net.ParseIP(routerAddr)}))
	within(t, w.path, func() {
		lo, err := netlink.LinkByName("lo")
		must(t, err)
		for _, a := range []string{publicAddr, otherAddr, nameServer, metadata, privateOne, privateTwo, carrier, homeNet} {
			must(t, netlink.AddrAdd(lo, cidr(a+"/32")))
		}
		for _, port := range []int{80, 443, 8000, 8050, 8100, 8101} {
			serveTCP(t, fmt.Sprintf("0.0.0.0:%d", port))
		}
		for _, a := range []string{publicAddr, metadata, privateOne, privateTwo, carrier, homeNet, routerAddr} {
			serveUDP(t, a+":7777") // each by itself, so that answers come from there
		}
		w.dns.serve(t, nameServer+":53")
	})
	return w
}

// serveTCP tells each client its address, and then what it says.
func serveTCP(t testing.TB, addr string) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp4", addr)
	must(t, err)
	var running sync.WaitGroup
	var mu sync.Mutex
	conns := map[net.Conn]bool{}
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns[c] = true
			mu.Unlock()
			running.Go(func() {
				_, _ = fmt.Fprintln(c, c.RemoteAddr())
				_, _ = io.Copy(c, c)
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// serveUDP answers each packet with the client's address.
func serveUDP(t testing.TB, addr string) {
	t.Helper()
	c, err := net.ListenPacket("udp4", addr)
	must(t, err)
	var running sync.WaitGroup
	running.Go(func() {
		buf := make([]byte, 2048)
		for {
			_, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = c.WriteTo([]byte(from.String()+"\n"), from)
		}
	})
	t.Cleanup(func() { _ = c.Close(); running.Wait() })
}

// dial connects from a namespace, "" for the node's own, and returns the address that the server saw.
func dial(t testing.TB, path, proto, addr string) (saw string, err error) {
	t.Helper()
	c, err := open(t, path, proto, addr)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	if proto == "udp4" {
		if _, err := c.Write([]byte("x")); err != nil {
			return "", err
		}
	}
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return "", err
	}
	host, _, err := net.SplitHostPort(strings.TrimSpace(line))
	return host, err
}

func open(t testing.TB, path, proto, addr string) (c net.Conn, err error) {
	t.Helper()
	if path == "" {
		path = "/proc/thread-self/ns/net"
	}
	within(t, path, func() { c, err = net.DialTimeout(proto, addr, 5*time.Second) })
	return c, err
}

// wantReached checks that a server is reached, and that it sees the client as from.
func wantReached(t testing.TB, path, addr, from string) {
	t.Helper()
	if saw, err := dial(t, path, "tcp4", addr); err != nil || saw != from {
		t.Errorf("connect to %s: %v, seen as %q, want %q", addr, err, saw, from)
	}
}

// wantRefused checks that a connection is refused at once: an answer came, and it was no.
func wantRefused(t testing.TB, path, addr string) {
	t.Helper()
	start := time.Now()
	_, err := dial(t, path, "tcp4", addr)
	if !errors.Is(err, unix.ECONNREFUSED) && !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("connect to %s after %s: %v, want it refused", addr, time.Since(start), err)
	}
}

// openManager opens a manager that is closed with the test, and then must have left nothing.
func openManager(t testing.TB, cfg network.Config) *network.Manager {
	t.Helper()
	if cfg.Name == "" {
		cfg.Name = "t1"
	}
	if cfg.Nameservers == nil {
		cfg.Nameservers = []netip.Addr{netip.MustParseAddr(nameServer)}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	before := snapshot(t)
	m, err := network.Open(t.Context(), cfg)
	must(t, err)
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if err := m.Close(); err != nil {
			t.Errorf("second close: %v", err)
		}
		if after := snapshot(t); after != before {
			t.Errorf("after close there is:\n%s\nbefore there was:\n%s", after, before)
		}
	})
	return m
}

func attach(t testing.TB, m *network.Manager, id string, e nex.Egress) *network.Endpoint {
	t.Helper()
	ep, err := m.Attach(t.Context(), id, e)
	must(t, err)
	t.Cleanup(func() {
		if err := errors.Join(ep.Close(), ep.Close()); err != nil {
			t.Errorf("close %s: %v", id, err)
		}
	})
	return ep
}
