package natsconn

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/nats-io/jsm.go/natscontext"
	"github.com/nats-io/nats.go"
)

// Connect connects within the timeout of the settings, or until ctx ends. The ctx bounds connecting
// only. The connection looks for its servers for ever once it has been made; the caller owns and
// closes it. Each extra option may overrule what the settings say.
//
// The error is one sentence that names the setting to change. It wraps the client's error.
func (s Settings) Connect(ctx context.Context, extra ...nats.Option) (*nats.Conn, error) {
	c, err := s.resolve()
	if err != nil {
		return nil, err
	}
	if err := s.check(c); err != nil {
		return nil, err
	}
	options, err := s.options(c, extra)
	if err != nil {
		return nil, err
	}
	bounded, cancel := context.WithTimeout(ctx, s.timeout())
	defer cancel()
	d := newDialer(bounded, options.CustomDialer, options.Timeout)
	options.CustomDialer = d
	nc, err := options.Connect()
	d.settle()
	if ended := bounded.Err(); ended != nil {
		if err != nil {
			ended = fmt.Errorf("%w: %w", err, ended)
		} else { // in this very moment, and took the connection along
			nc.Close()
		}
		err = ended
	}
	if err != nil {
		return nil, s.explain(ctx, c, err, d.lastError())
	}
	if err := s.checkHeaders(c, nc); err != nil {
		nc.Close()
		return nil, err
	}
	return nc, nil
}

// minServerTimeout is the least that one of several servers gets.
const minServerTimeout = time.Second

// options builds what the client wants to know.
func (s Settings) options(c *natscontext.Context, extra []nats.Option) (nats.Options, error) {
	o := nats.GetDefaultOptions()
	o.Servers = splitServers(c.ServerURL())
	o.Name = s.ConnName
	if o.Name == "" {
		o.Name = "nex"
	}
	// So that one silent server leaves time for the others.
	o.Timeout = min(s.timeout(), max(s.timeout()/time.Duration(len(o.Servers)), minServerTimeout))
	o.MaxReconnect = -1
	o.IgnoreAuthErrorAbort = true
	o.CustomReconnectDelayCB = reconnectDelay
	o.AsyncErrorCB = func(*nats.Conn, *nats.Subscription, error) {} // the client's default prints
	configured, err := c.NATSOptions()
	if err != nil {
		return o, s.explainOption(c, err)
	}
	for _, opt := range append(configured, extra...) {
		if err := opt(&o); err != nil {
			return o, s.explainOption(c, err)
		}
	}
	return o, nil
}

// Bounds of the pause between two rounds through the servers of a lost connection.
const (
	minReconnectDelay = 100 * time.Millisecond
	maxReconnectDelay = time.Second
)

// reconnectDelay doubles with each round, up to a bound that lets the connection be back within two
// seconds of its server. A random half keeps the clients of a server that comes back from all arriving
// at once.
func reconnectDelay(rounds int) time.Duration {
	delay := maxReconnectDelay
	if rounds < 5 { // beyond, the doubled delay is larger anyhow
		delay = min(delay, minReconnectDelay<<max(rounds-1, 0))
	}
	return delay/2 + rand.N(delay/2)
}
