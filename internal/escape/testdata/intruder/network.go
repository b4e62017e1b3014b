//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
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

// control tries to be heard in the control account, as anybody, with the credentials that somebody might
// guess, and with the seed if there is one.
func control(r *report, args []string) {
	url := args[0]
	if len(args) > 1 {
		pair, err := nkeys.FromSeed([]byte(args[1]))
		if err != nil {
			panic(err)
		}
		r.attempt("as the one with this seed", commands(url, withKey(pair)))
		return
	}
	stranger, err := nkeys.CreateUser()
	if err != nil {
		panic(err)
	}
	for name, option := range map[string]nats.Option{
		"as anybody":         func(*nats.Options) error { return nil },
		"as user NEX":        nats.UserInfo("NEX", "NEX"),
		"as user node":       nats.UserInfo("node", ""),
		"with a token":       nats.Token("NEX"),
		"with another's key": withKey(stranger),
	} {
		r.attempt("reach the control account "+name, commands(url, option))
	}
	r.attempt("name the control account", nameAccount(url))
}

func withKey(pair nkeys.KeyPair) nats.Option {
	public, err := pair.PublicKey()
	if err != nil {
		panic(err)
	}
	return nats.Nkey(public, pair.Sign)
}

// commands asks nodes and the server for what only those in their accounts may, and listens to what others
// ask: somebody does, all the time.
func commands(url string, option nats.Option) error {
	nc, err := nats.Connect(url, option, nats.NoEcho(), nats.Timeout(dialTimeout))
	if err != nil {
		return err
	}
	defer nc.Close()
	heard := make(chan *nats.Msg, 16)
	for _, subject := range []string{"$NEX.>", "$SYS.>", "hostint.>", "agentint.>"} {
		if _, err := nc.ChanSubscribe(subject, heard); err != nil {
			return err
		}
	}
	for _, subject := range []string{"$NEX.PING", "$NEX.AUCTION", "$NEX.WPING.default", "$SYS.REQ.SERVER.PING", "$SYS.REQ.ACCOUNT.NEX.CONNZ"} {
		ctx, cancel := context.WithTimeout(context.Background(), packetTimeout)
		m, err := nc.RequestWithContext(ctx, subject, []byte("{}"))
		cancel()
		if err == nil {
			fmt.Printf("note: %s is answered: %.200s\n", subject, m.Data)
			return nil
		}
	}
	select {
	case m := <-heard:
		fmt.Printf("note: heard %s\n", m.Subject)
		return nil
	case <-time.After(packetTimeout):
		return errors.New("nobody answers, and nothing is heard")
	}
}

// nameAccount speaks the protocol itself, and asks for the account by its name.
func nameAccount(url string) error {
	c, err := net.DialTimeout("tcp4", strings.TrimPrefix(url, "nats://"), dialTimeout)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(dialTimeout)); err != nil {
		return err
	}
	_, err = fmt.Fprint(c, `CONNECT {"verbose":false,"pedantic":false,"account":"NEX","new_account":false,"headers":true,"no_responders":true}`+"\r\n"+
		"SUB answer 1\r\nPUB $NEX.PING answer 2\r\n{}\r\nPING\r\n")
	if err != nil {
		return err
	}
	for lines := bufio.NewScanner(c); lines.Scan(); {
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "MSG"):
			return nil
		case strings.HasPrefix(line, "-ERR"), strings.HasPrefix(line, "HMSG"), line == "PONG":
			return errors.New(line)
		}
	}
	return syscall.ECONNRESET
}
