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
	ctx   context.Context
	stops []func() bool
	err   error
}

func newDialer(ctx context.Context, next nats.CustomDialer, timeout time.Duration) *dialer {
	return &dialer{ctx: ctx, next: next, timeout: timeout}
}

// Dial implements [nats.CustomDialer].
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	d.mu.Lock()
	ctx := d.ctx
	d.mu.Unlock()
	conn, err := d.dial(ctx, network, address)

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

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if d.next != nil {
		return d.next.Dial(network, address)
	}
	return (&net.Dialer{Timeout: d.timeout}).DialContext(ctx, network, address)
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
	d.ctx, d.stops = context.Background(), nil
}

// lastError is why the last address could not be reached, nil if one could.
func (d *dialer) lastError() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}
