// Package dnsproxy answers the name questions of sandboxes from the name servers of the machine.
//
// It knows who asks by the address a question comes from, asks the sandbox's owner whether the name may be
// resolved, and tells it which addresses the name led to before the sandbox learns them: so a firewall can
// be open for a name by the time that the answer is there. Nothing is cached. A name that may not be
// resolved does not exist, as far as the sandbox can tell, and no name server hears of it; nor do IPv6
// addresses exist, since sandboxes have none.
//
// What a sandbox can have under way is bounded ([MaxQueries], [MaxConns]), so that it cannot keep the
// others from being answered, and so is what all can have name servers asked ([MaxAsked]).
package dnsproxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Bounds of each sandbox.
const (
	// MaxQueries is how many questions may be under way; more are answered with a failure.
	MaxQueries = 64
	// MaxConns is how many TCP connections may be open; more are closed.
	MaxConns = 8
)

// MaxAsked is how many questions name servers are asked at a time, for all sandboxes, each on a connection of
// its own; more wait for their turn.
const MaxAsked = 1024

const (
	// minTTL and maxTTL bound how long an address that a name led to may be used. Programs hold on to an
	// address for longer than its time says, if only between asking and connecting.
	minTTL, maxTTL = 5 * time.Minute, 24 * time.Hour
	// idle is how long a TCP connection may be without a question.
	idle = 10 * time.Second
)

// A Client is a sandbox that asks. It is safe for concurrent use.
type Client interface {
	// Resolves reports whether it may ask for name, which is in lower case and has no dot at its end.
	Resolves(name string) bool
	// Denies reports whether name is denied, also as what another name stands for.
	Denies(name string) bool
	// Learn says that name leads to addrs, all of them IPv4, for the time of ttl. The answer goes out when
	// it returns, or is a failure if it returns an error.
	Learn(ctx context.Context, name string, addrs []netip.Addr, ttl time.Duration) error
	// Failed says why a question for name is answered with a failure. The name is what the sandbox chose,
	// and it can ask as often as it likes.
	Failed(name string, err error)
}

// Config is what a [Proxy] needs.
type Config struct {
	// Client returns who has an address, nil if nobody does: then nothing is answered.
	Client func(netip.Addr) Client
	// Servers returns the name servers, in the order in which they are asked.
	Servers func() ([]netip.AddrPort, error)
}

// Proxy answers at one address, over UDP and TCP. Make one with [Listen].
type Proxy struct {
	cfg Config
	udp *net.UDPConn
	tcp *net.TCPListener

	asking chan struct{} // has room for those that name servers are asked

	ctx     context.Context // ends with the proxy
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu    sync.Mutex
	loads map[netip.Addr]*load // of clients with something under way
	conns map[net.Conn]struct{}
}

// load is what a client has under way.
type load struct{ queries, conns int }

// Listen starts a proxy on a free port of a loopback address. The caller must Close it.
func Listen(loopback netip.Addr, cfg Config) (*Proxy, error) { return listen(loopback, cfg, MaxAsked) }

func listen(loopback netip.Addr, cfg Config, maxAsked int) (*Proxy, error) {
	p := &Proxy{
		cfg: cfg, asking: make(chan struct{}, maxAsked), loads: map[netip.Addr]*load{}, conns: map[net.Conn]struct{}{},
	}
	var err error
	// The same port for both is not needed: each is forwarded to by itself.
	if p.udp, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, 0))); err != nil {
		return nil, fmt.Errorf("listen for name questions on %s: %w", loopback, err)
	}
	if p.tcp, err = net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.AddrPortFrom(loopback, 0))); err != nil {
		_ = p.udp.Close()
		return nil, fmt.Errorf("listen for name questions on %s: %w", loopback, err)
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.running.Go(p.serveUDP)
	p.running.Go(p.serveTCP)
	return p, nil
}

// UDP is the address that answers over UDP.
func (p *Proxy) UDP() netip.AddrPort { return p.udp.LocalAddr().(*net.UDPAddr).AddrPort() }

// TCP is the address that answers over TCP.
func (p *Proxy) TCP() netip.AddrPort { return p.tcp.Addr().(*net.TCPAddr).AddrPort() }

// Close stops answering. It returns when nothing runs any more.
func (p *Proxy) Close() error {
	p.cancel()
	err := errors.Join(p.udp.Close(), p.tcp.Close())
	p.mu.Lock()
	for c := range p.conns {
		_ = c.Close() // ends its reader
	}
	p.mu.Unlock()
	p.running.Wait()
	return err
}

// take counts one more query or connection of a client, and reports whether it may have it. What was
// taken is given back with give.
func (p *Proxy) take(a netip.Addr, query bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.loads[a]
	if l == nil {
		l = &load{}
		p.loads[a] = l
	}
	switch {
	case query && l.queries < MaxQueries:
		l.queries++
	case !query && l.conns < MaxConns:
		l.conns++
	default:
		return false
	}
	return true
}

func (p *Proxy) give(a netip.Addr, query bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.loads[a]
	if query {
		l.queries--
	} else {
		l.conns--
	}
	if *l == (load{}) {
		delete(p.loads, a)
	}
}
