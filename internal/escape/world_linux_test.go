package escape_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The addresses of this machine, besides loopback, and those of the world outside of it.
const (
	uplinkAddr  = "10.50.0.2"
	routerAddr  = "10.50.0.1"
	ownPrivate  = "10.77.0.1"
	ownPublic   = "93.184.216.99"
	ownIPv6     = "fd00:77::1"
	publicAddr  = "93.184.216.34"
	privateAddr = "10.9.9.9"
	metadata    = "169.254.169.254"
)

// outsidePort is where the world listens.
const outsidePort = "80"

// world is a network namespace that plays everything outside, and what listens on this machine.
type world struct {
	// port is where this machine listens, on all of its addresses, by TCP and UDP.
	port string
	// visitors is who has come to it.
	visitors *atomic.Int32
	// path is that of the namespace.
	path string
}

// newWorld makes a world, the way to it, and addresses that are the machine's own.
func newWorld(t *testing.T) *world {
	t.Helper()
	path := newNamespace(t)
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "up0"
	veth := netlink.NewVeth(attrs)
	veth.PeerName = "peer0"
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	veth.PeerNamespace = netlink.NsFd(f.Fd())
	must(t, netlink.LinkAdd(veth))
	t.Cleanup(func() { _ = netlink.LinkDel(veth) })
	must(t, addAddr(veth, uplinkAddr+"/24"), netlink.LinkSetUp(veth))
	within(t, path, func() {
		peer, err := netlink.LinkByName("peer0")
		must(t, err, addAddr(peer, routerAddr+"/24"), netlink.LinkSetUp(peer))
		// The world knows the way to sandboxes, whoever has told it.
		_, sandboxes, err := net.ParseCIDR("192.168.0.0/16")
		must(t, err, netlink.RouteAdd(&netlink.Route{Dst: sandboxes, Gw: net.ParseIP(uplinkAddr)}))
		lo, err := netlink.LinkByName("lo")
		must(t, err, netlink.LinkSetUp(lo))
		for _, a := range []string{publicAddr, privateAddr, metadata} {
			must(t, addAddr(lo, a+"/32"))
			serve(t, net.JoinHostPort(a, outsidePort), new(atomic.Int32))
		}
	})
	must(t, netlink.RouteAdd(&netlink.Route{Gw: net.ParseIP(routerAddr)}))

	lo, err := netlink.LinkByName("lo")
	must(t, err)
	for _, a := range []string{ownPrivate + "/32", ownPublic + "/32", ownIPv6 + "/128"} {
		must(t, addAddr(lo, a))
		t.Cleanup(func() { must(t, delAddr(lo, a)) })
	}
	w := &world{visitors: new(atomic.Int32), path: path}
	w.port = serve(t, ":0", w.visitors)
	return w
}

func addAddr(l netlink.Link, cidr string) error {
	a, err := netlink.ParseAddr(cidr)
	if err != nil {
		return err
	}
	a.Flags = unix.IFA_F_NODAD // IPv6 addresses count at once
	return netlink.AddrAdd(l, a)
}

func delAddr(l netlink.Link, cidr string) error {
	a, err := netlink.ParseAddr(cidr)
	if err != nil {
		return err
	}
	return netlink.AddrDel(l, a)
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// serve echoes what comes by TCP and UDP until the test ends, and returns the port.
func serve(t *testing.T, addr string, visitors *atomic.Int32) string {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	must(t, err)
	host, _, err := net.SplitHostPort(addr)
	must(t, err)
	port := fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
	p, err := net.ListenPacket("udp", net.JoinHostPort(host, port))
	must(t, err)
	var running sync.WaitGroup
	t.Cleanup(func() {
		_ = errors.Join(l.Close(), p.Close())
		running.Wait()
	})
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			visitors.Add(1)
			running.Go(func() {
				_, _ = io.Copy(c, c) // until the client ends
				_ = c.Close()
			})
		}
	})
	running.Go(func() {
		buf := make([]byte, 2048)
		for {
			n, from, err := p.ReadFrom(buf)
			if err != nil {
				return
			}
			visitors.Add(1)
			_, _ = p.WriteTo(buf[:n], from)
		}
	})
	return port
}

// newNamespace makes a network namespace that ends with the test.
func newNamespace(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "world")
	must(t, os.WriteFile(path, nil, 0o600))
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		done <- errors.Join(unix.Unshare(unix.CLONE_NEWNET), unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, ""))
	}()
	must(t, <-done)
	t.Cleanup(func() { must(t, unix.Unmount(path, unix.MNT_DETACH)) })
	return path
}

// within runs f in a network namespace. Sockets that f opens stay there.
func within(t *testing.T, path string, f func()) {
	t.Helper()
	done := make(chan bool)
	go func() {
		finished := false
		defer func() { done <- finished }() // also if f ends the goroutine
		runtime.LockOSThread()              // for good
		there, err := os.Open(path)
		must(t, err)
		defer there.Close()
		must(t, unix.Setns(int(there.Fd()), unix.CLONE_NEWNET))
		f()
		finished = true
	}()
	if !<-done {
		t.FailNow()
	}
}

// routeTo makes the world know the way to further networks of this machine, which are none of its own any more.
// It is called within the world.
func routeTo(t *testing.T, networks ...string) {
	t.Helper()
	lo, err := netlink.LinkByName("lo")
	must(t, err, delAddr(lo, "127.0.0.1/8"))
	setting(t, "peer0/route_localnet", "1")
	for _, n := range networks {
		_, to, err := net.ParseCIDR(n)
		must(t, err, netlink.RouteReplace(&netlink.Route{Dst: to, Gw: net.ParseIP(uplinkAddr)}))
	}
}

// setting sets one of an interface of the network namespace that it is called in.
func setting(t *testing.T, path, value string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join("/proc/sys/net/ipv4/conf", path), []byte(value), 0o600))
}
