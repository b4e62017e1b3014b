package natsconn

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// dialer lets a context end an attempt to connect, which the NATS client has no means for, and
// remembers why an address could not be reached, which the client does not tell.
type dialer struct {
	next    nats.CustomDialer // nil for the network itself
	timeout time.Duration

	mu sync.Mutex
	// ctx ends dialing, and the handshake on the connections that came of it, until settle. The
	// connection outlives it.
	ctx     context.Context
	stops   []func() bool
	err     error
	settled int // dials since settle; -1 before
}

// A reconnect waits for an answer no longer than this, since the way to a server that did not answer may
// be free again the next moment; but one in patientEvery of them has all its time, for ways that are slow.
const (
	reconnectDialTimeout = time.Second
	patientEvery         = 8
)

func newDialer(ctx context.Context, next nats.CustomDialer, timeout time.Duration) *dialer {
	return &dialer{ctx: ctx, next: next, timeout: timeout, settled: -1}
}

// Dial implements [nats.CustomDialer].
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	d.mu.Lock()
	ctx, timeout := d.ctx, d.timeoutLocked(address)
	d.mu.Unlock()
	conn, err := d.dial(ctx, network, address, timeout)

	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.err = err
		return nil, err
	}
	if d.ctx.Done() != nil {
		d.stops = append(d.stops, context.AfterFunc(d.ctx, func() { _ = conn.Close() }))
	}
	return conn, nil
}

// timeoutLocked is how long the next dial may take. A name takes its time to be resolved.
func (d *dialer) timeoutLocked(address string) time.Duration {
	if d.settled < 0 {
		return d.timeout
	}
	d.settled++
	host, _, err := net.SplitHostPort(address)
	if err != nil || net.ParseIP(host) == nil || d.settled%patientEvery == 0 {
		return d.timeout
	}
	return min(d.timeout, reconnectDialTimeout)
}

func (d *dialer) dial(ctx context.Context, network, address string, timeout time.Duration) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if d.next != nil {
		return d.next.Dial(network, address)
	}
	return (&net.Dialer{Timeout: timeout}).DialContext(ctx, network, address)
}

// SkipTLSHandshake implements the client's optional interface for the dialer below.
func (d *dialer) SkipTLSHandshake() bool {
	skip, ok := d.next.(interface{ SkipTLSHandshake() bool })
	return ok && skip.SkipTLSHandshake()
}

// settle ends the context's hold on the connection. A reconnect dials without it.
func (d *dialer) settle() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, stop := range d.stops {
		stop()
	}
	d.ctx, d.stops, d.settled = context.Background(), nil, 0
}

// lastError is why the last address could not be reached, nil if one could.
func (d *dialer) lastError() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}
