//go:build linux

package main

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// dialTimeout bounds a connection, and the wait for the answer to a packet. What is refused is so at once.
	dialTimeout = 3 * time.Second
	// packetTimeout is how long an answer to a packet may take.
	packetTimeout = 500 * time.Millisecond
	// dialsAtOnce is how many connections are tried at a time.
	dialsAtOnce = 32
)

// dial connects, all at once. Who is to be reached echoes packets.
func dial(r *report, addrs []string) {
	errs := make([]error, len(addrs))
	var group sync.WaitGroup
	turns := make(chan struct{}, dialsAtOnce)
	for i, addr := range addrs {
		group.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			proto, to, _ := strings.Cut(addr, "/")
			errs[i] = reach(proto, to)
		})
	}
	group.Wait()
	for i, addr := range addrs {
		r.attempt("reach "+addr, errs[i])
	}
}

func reach(proto, addr string) error {
	c, err := net.DialTimeout(proto, addr, dialTimeout)
	if err != nil {
		return err
	}
	defer c.Close()
	if !strings.HasPrefix(proto, "udp") {
		return nil
	}
	if _, err := c.Write([]byte("intruder")); err != nil {
		return err
	}
	if err := c.SetReadDeadline(time.Now().Add(packetTimeout)); err != nil {
		return err
	}
	return first(c.Read(make([]byte, 64)))
}

// spoof binds sockets to addresses of others, by all options that might allow it.
func spoof(r *report, addrs []string) {
	for _, addr := range addrs {
		from := netip.MustParseAddr(addr)
		for _, option := range []struct {
			name         string
			level, value int
		}{{"no option", 0, 0}, {"IP_FREEBIND", unix.SOL_IP, unix.IP_FREEBIND}, {"IP_TRANSPARENT", unix.SOL_IP, unix.IP_TRANSPARENT}} {
			r.attempt(fmt.Sprintf("bind to %s with %s", addr, option.name), bindTo(from, option.level, option.value))
		}
	}
}

func bindTo(from netip.Addr, level, option int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if option != 0 {
		if err := unix.SetsockoptInt(fd, level, option, 1); err != nil {
			return err
		}
	}
	return unix.Bind(fd, &unix.SockaddrInet4{Addr: from.As4()})
}
