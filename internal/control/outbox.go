package control

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// maxOutbox bounds the bytes that wait until the NATS server has them: what a node keeps of an outage.
const maxOutbox = 8 << 20

// messageBytes is more than what a message takes besides its subject and body.
const messageBytes = 256

// errFull is why a message was dropped.
var errFull = errors.New("the buffer of what is to be published is full")

// kind says what a message is, for the count of those that are dropped.
type kind int

const (
	kindEvent kind = iota
	kindLog
)

// dropped counts what did not fit.
type dropped struct{ events, lines uint64 }

// outbox publishes messages in a goroutine of its own and keeps them until the server has them: what a
// connection had not brought there when it broke is published again on the next one. So a message may
// arrive twice, with the same id. It is safe for concurrent use.
type outbox struct {
	conn   *nats.Conn
	logger *slog.Logger
	// tell is called once there is room again after messages were dropped.
	tell   func(dropped)
	status chan nats.Status
	wake   chan struct{} // has a token when there is something to do
	ended  chan struct{}
	ctx    context.Context // ends when no more is sent
	cancel context.CancelFunc

	mu      sync.Mutex
	queue   []*nats.Msg
	bytes   int
	waiting []func()
	dropped dropped
	closed  bool
}

func newOutbox(conn *nats.Conn, logger *slog.Logger, tell func(dropped)) *outbox {
	o := &outbox{
		conn: conn, logger: logger, tell: tell, status: conn.StatusChanged(),
		wake: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	o.ctx, o.cancel = context.WithCancel(context.Background())
	go o.run()
	return o
}

func size(m *nats.Msg) int { return len(m.Subject) + len(m.Data) + messageBytes }

// put takes a message and does not wait. It fails when there is no room.
func (o *outbox) put(k kind, m *nats.Msg) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.conn.IsClosed() {
		return nats.ErrConnectionClosed
	}
	if o.bytes+size(m) > maxOutbox {
		if k == kindEvent {
			o.dropped.events++
		} else {
			o.dropped.lines++
		}
		return errFull
	}
	o.queue = append(o.queue, m)
	o.bytes += size(m)
	o.signal()
	return nil
}

// flushed has f called when the server has what was put before; never, if the outbox is closed first.
func (o *outbox) flushed(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	o.waiting = append(o.waiting, f)
	o.signal()
}

func (o *outbox) signal() {
	select {
	case o.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// closeTimeout bounds how long what waits is still sent when the outbox closes.
const closeTimeout = time.Second

// close sends what waits and ends; what a server does not take in time ends with its connection.
func (o *outbox) close() {
	o.mu.Lock()
	first := !o.closed
	o.closed = true
	o.mu.Unlock()
	if first {
		o.signal()
		time.AfterFunc(closeTimeout, o.cancel)
	}
	select {
	case <-o.ended:
	case <-o.ctx.Done():
	}
}

func (o *outbox) run() {
	defer close(o.ended)
	defer o.conn.RemoveStatusListener(o.status)
	for {
		select {
		case <-o.wake:
		case <-o.status:
		case <-o.ctx.Done():
		}
		for o.round() {
		}
		o.mu.Lock()
		done := o.closed && (len(o.queue) == 0 || o.ctx.Err() != nil)
		o.mu.Unlock()
		if done {
			return
		}
	}
}

// round publishes what waits and lets go of what the server then has. It reports whether there may be
// more to do at once.
func (o *outbox) round() (again bool) {
	o.mu.Lock()
	batch, waiting := o.queue, o.waiting
	o.waiting = nil
	o.mu.Unlock()
	if len(batch)+len(waiting) == 0 {
		return false
	}
	before := o.conn.Stats().Reconnects
	if !o.conn.IsConnected() || !o.publish(batch) || !o.flush(before) { // the status wakes it
		o.mu.Lock()
		o.waiting = append(waiting, o.waiting...)
		o.mu.Unlock()
		return o.conn.IsConnected() && o.ctx.Err() == nil // all of the batch again, on the new connection
	}
	o.forget(len(batch))
	for _, f := range waiting {
		f()
	}
	return true
}

// publish reports false when the connection breaks meanwhile. The connection has a buffer for outages,
// too; what gets there overtakes what was lost on the way, so nothing should.
func (o *outbox) publish(batch []*nats.Msg) bool {
	for _, m := range batch {
		if !o.conn.IsConnected() {
			return false
		}
		if err := o.conn.PublishMsg(m); err != nil && o.conn.IsConnected() {
			o.logger.Warn("a message was not published", "subject", m.Subject, "error", err)
		}
	}
	return true
}

// flushTimeout bounds one wait for the server; when it is over, the outbox asks again.
const flushTimeout = 5 * time.Second

// flush waits until the server has taken in all that was published on the connection that there was
// when it had reconnected so many times. It reports false if that has broken, or the outbox ends.
func (o *outbox) flush(reconnects uint64) bool {
	for {
		ctx, cancel := context.WithTimeout(o.ctx, flushTimeout)
		err := o.conn.FlushWithContext(ctx)
		cancel()
		switch {
		case o.conn.Stats().Reconnects != reconnects || !o.conn.IsConnected():
			return false
		case err == nil:
			return true
		case o.ctx.Err() != nil:
			return false
		}
	}
}

// forget lets go of the first n messages, and tells what has been dropped while there was no room.
func (o *outbox) forget(n int) {
	o.mu.Lock()
	for _, m := range o.queue[:n] {
		o.bytes -= size(m)
	}
	clear(o.queue[:n])
	o.queue = o.queue[n:]
	if len(o.queue) == 0 {
		o.queue = nil // and the array with it
	}
	lost := o.dropped
	o.dropped = dropped{}
	o.mu.Unlock()
	if lost != (dropped{}) {
		o.tell(lost)
	}
}
