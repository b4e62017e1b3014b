// Package sandboxnet is what drivers that isolate the network ask of whoever connects their sandboxes: package network
// does it, on linux.
package sandboxnet

import (
	"context"
	"net/netip"

	nex "github.com/nex-engine/nex"
)

// Network connects sandboxes.
type Network interface {
	// Attach makes the network of a sandbox; the driver closes it.
	Attach(ctx context.Context, id string, e nex.Egress) (Endpoint, error)
	// Adopt takes over the network of a sandbox of an earlier node process, which has it with these rules; the
	// driver closes it.
	Adopt(ctx context.Context, id string, e nex.Egress) (Endpoint, error)
	// Nameserver is whom programs inside ask for the addresses of hosts; the zero Addr means those whom the
	// machine itself asks.
	Nameserver() netip.Addr
	// Sweep removes the networks that an earlier node process left and that were not adopted, and returns how
	// many there were.
	Sweep(ctx context.Context) (int, error)
}

// Endpoint is the network of one sandbox.
type Endpoint interface {
	// Namespace is the path of its network namespace.
	Namespace() string
	// SetEgress replaces where it may connect to.
	SetEgress(ctx context.Context, e nex.Egress) error
	// Close removes it. It may be called again.
	Close() error
}
