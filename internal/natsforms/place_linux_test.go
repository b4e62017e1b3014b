package natsforms_test

// This file makes networks.

import (
	"net"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/nextest"
)

// place is a network namespace with nothing but loopback, and a thread in it that starts processes and opens
// sockets. Both end with the test.
type place struct {
	jobs  chan func()
	ended chan struct{}
}

func newPlace(t testing.TB) *place {
	t.Helper()
	p := &place{jobs: make(chan func()), ended: make(chan struct{})}
	ready := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good: the thread, and with it the namespace, ends with the goroutine
		ready <- enter()
		for {
			select {
			case job := <-p.jobs:
				job()
			case <-p.ended:
				return
			}
		}
	}()
	t.Cleanup(func() { close(p.ended) })
	must(t, <-ready)
	return p
}

func enter() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(lo)
}

// do calls f in the namespace. What f does must not take long: there is one thread. A client that looks for its server
// may come after the end.
func (p *place) do(f func() error) error {
	done := make(chan error, 1)
	select {
	case p.jobs <- func() { done <- f() }:
		return <-done
	case <-p.ended:
		return net.ErrClosed
	}
}

// start starts a command there, as the leader of a process group. It does not outlive the tests.
func (p *place) start(cmd *exec.Cmd) (process *nextest.Process, err error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	err = p.do(func() error {
		process, err = nextest.Start(cmd)
		return err
	})
	return process, err
}

// Dial connects to a server there. It implements the interface of the NATS client for that.
func (p *place) Dial(_, address string) (conn net.Conn, err error) {
	err = p.do(func() error {
		conn, err = net.Dial("tcp", onLoopback(address))
		return err
	})
	return conn, err
}

// listen listens on an address there.
func (p *place) listen(address string) (l net.Listener, err error) {
	err = p.do(func() error {
		l, err = net.Listen("tcp", onLoopback(address))
		return err
	})
	return l, err
}

// onLoopback is an address without a name: the resolver would use other threads.
func onLoopback(address string) string {
	return strings.Replace(address, "localhost:", "127.0.0.1:", 1)
}
