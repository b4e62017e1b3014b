package agent

import (
	"context"
	"sync"

	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/function"
	"github.com/nex-engine/nex/internal/hostapi"
)

// uplink is the way to the node: a link, and after that is lost the next one. What is asked or told while there
// is none fails. It is safe for concurrent use.
type uplink struct {
	mu      sync.Mutex
	conn    *agentlink.Conn  // the last one, which may be lost
	changed chan struct{}    // closed and replaced with conn
	usage   *agentlink.Usage // what was told last
}

var _ function.Host = (*uplink)(nil)

func newUplink(conn *agentlink.Conn) *uplink {
	return &uplink{conn: conn, changed: make(chan struct{})}
}

// current is the last link.
func (u *uplink) current() *agentlink.Conn {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.conn
}

// use replaces a link that is lost.
func (u *uplink) use(conn *agentlink.Conn) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.conn = conn
	close(u.changed)
	u.changed = make(chan struct{})
	if u.usage != nil {
		_ = conn.Usage(*u.usage) // if it is lost again, that is noticed elsewhere
	}
}

// attached waits until there is a link that is not lost.
func (u *uplink) attached(ctx context.Context) (*agentlink.Conn, error) {
	for {
		u.mu.Lock()
		conn, changed := u.conn, u.changed
		u.mu.Unlock()
		if !isClosed(conn.Lost()) {
			return conn, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// close ends the last link.
func (u *uplink) close() { u.current().Close() }

// Request implements function.Host.
func (u *uplink) Request(ctx context.Context, r hostapi.Request) (hostapi.Response, error) {
	return u.current().Request(ctx, r)
}

// tellUsage tells the node, and the next one, what the agent uses.
func (u *uplink) tellUsage(use agentlink.Usage) error {
	u.mu.Lock()
	conn := u.conn
	u.usage = &use
	u.mu.Unlock()
	return conn.Usage(use)
}

// sendCompiled gives the node compiled code.
func (u *uplink) sendCompiled(ctx context.Context, compiled []byte) error {
	return u.current().SendCompiled(ctx, compiled)
}
