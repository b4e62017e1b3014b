package faults_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/nextest"
)

// hub is where the NATS servers listen.
const hub = "10.61.0.1"

// place is a network namespace, and a thread in it that starts processes: they end with it.
type place struct {
	link netlink.Link // this namespace's end of the way there; nil for this namespace itself
	jobs chan func()
}

// newHub makes a place of the tests' own namespace, with the address of the servers.
func newHub(t *testing.T) *place {
	t.Helper()
	lo, err := netlink.LinkByName("lo")
	must(t, err)
	address := &netlink.Addr{IPNet: &net.IPNet{IP: net.ParseIP(hub), Mask: net.CIDRMask(32, 32)}}
	must(t, netlink.AddrAdd(lo, address))
	t.Cleanup(func() { must(t, netlink.AddrDel(lo, address)) })
	p := &place{jobs: make(chan func())}
	p.open(t, func() error { return nil })
	return p
}

// newPlace makes a namespace with a way to the servers. It ends with the test.
func newPlace(t *testing.T, number int) *place {
	t.Helper()
	p := &place{jobs: make(chan func())}
	var there int
	p.open(t, func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		var err error
		there, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		return err
	})
	defer unix.Close(there)
	attrs := netlink.NewLinkAttrs()
	attrs.Name = fmt.Sprintf("to%d", number)
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerNamespace = "eth0", netlink.NsFd(there)
	must(t, netlink.LinkAdd(veth))
	t.Cleanup(func() { must(t, netlink.LinkDel(veth)) })
	p.link = veth
	network := func(host byte) *netlink.Addr {
		return &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(10, 61, byte(number), host), Mask: net.CIDRMask(24, 32)}}
	}
	must(t, netlink.AddrAdd(veth, network(1)), netlink.LinkSetUp(veth))
	must(t, p.do(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		eth, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		return errors.Join(netlink.LinkSetUp(lo), netlink.AddrAdd(eth, network(2)), netlink.LinkSetUp(eth),
			netlink.RouteAdd(&netlink.Route{LinkIndex: eth.Attrs().Index, Gw: network(1).IP}))
	}))
	return p
}

// open starts the thread, which prepares itself and then does jobs until the test ends.
func (p *place) open(t *testing.T, prepare func() error) {
	t.Helper()
	ready := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		ready <- prepare()
		for job := range p.jobs {
			job()
		}
	}()
	t.Cleanup(func() { close(p.jobs) })
	must(t, <-ready)
}

// do calls f in the namespace.
func (p *place) do(f func() error) error {
	done := make(chan error, 1)
	p.jobs <- func() { done <- f() }
	return <-done
}

// start starts a program there, which must print a ready line. It does not outlive the tests.
func (p *place) start(program string, env []string, args ...string) (*nextest.Process, error) {
	cmd := exec.Command(program, args...)
	cmd.Env = append(env, nextest.Environ()...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	var process *nextest.Process
	err := p.do(func() (err error) {
		process, err = nextest.StartReady(cmd)
		return err
	})
	return process, err
}

// cut cuts the way to the servers, or mends it.
func (p *place) cut(yes bool) error {
	if yes {
		return netlink.LinkSetDown(p.link)
	}
	return netlink.LinkSetUp(p.link)
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func writeFile(t testing.TB, path, content string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(content), 0o600))
}
