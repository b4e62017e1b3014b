package hostservice

import (
	"context"
	"net"
	"sync"
	"sync/atomic"

	"github.com/nex-engine/nex/internal/hostapi"
)

// Bounds of one workload.
const (
	// maxBytes bounds what its requests under way, and the answers to them, take of the node's memory:
	// requests beyond it wait for others.
	maxBytes = 64 << 20
	// maxConnections bounds its connections to web servers, those that are being made included. One
	// outlives its call if it can be used again.
	maxConnections = 256
)

// weigh is how many bytes a request may take, with its answer.
func (d *Desk) weigh(r hostapi.Request) int64 {
	const most = hostapi.MaxMessageBytes
	answer := int64(0)
	switch r.Service + " " + r.Method {
	case "kv get", "kv keys":
		answer = bounded(d.services.config.KV.Config.MaxBytes)
	case "objectstore get", "objectstore list":
		answer = bounded(d.services.config.ObjectStore.Config.MaxBytes)
	case "messaging request":
		answer = min(d.messaging.nc.MaxPayload(), most)
	case "messaging request_many":
		answer = most
	case "http request":
		answer = d.services.caller.maxBody
	}
	return int64(len(r.Meta)+len(r.Body)) + answer
}

// bounded is the size that an answer from a bucket of so many bytes can have; 0 bytes are no limit.
func bounded(bucket int64) int64 {
	if bucket <= 0 {
		return hostapi.MaxMessageBytes
	}
	return min(bucket, hostapi.MaxMessageBytes)
}

// connections counts the connections to web servers that one workload has caused.
type connections struct{ open atomic.Int32 }

type connectionsKey struct{}

// with makes the connections that are made for ctx count.
func (c *connections) with(ctx context.Context) context.Context {
	return context.WithValue(ctx, connectionsKey{}, c)
}

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// counting makes dial refuse what would be too many connections of a workload. A transport keeps the
// values of a call's ctx when it dials, but not its end.
func counting(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, _ := ctx.Value(connectionsKey{}).(*connections)
		if c == nil {
			return dial(ctx, network, address)
		}
		if c.open.Add(1) > maxConnections {
			c.open.Add(-1)
			return nil, hostapi.Errorf(hostapi.CodeBusy, "the workload has %d connections to web servers open, as many as it may have: wait for calls to end", maxConnections)
		}
		conn, err := dial(ctx, network, address)
		if err != nil {
			c.open.Add(-1)
			return nil, err
		}
		return &counted{Conn: conn, of: c}, nil
	}
}

// counted is a connection that counts until it is closed.
type counted struct {
	net.Conn
	of     *connections
	closed sync.Once
}

// Close implements net.Conn.
func (c *counted) Close() error {
	c.closed.Do(func() { c.of.open.Add(-1) })
	return c.Conn.Close()
}
