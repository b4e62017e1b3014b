package linkhost

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/nex-engine/nex/internal/agentlink"
)

// stream is the node's end of an agent's stream of calls.
type stream struct {
	*agentlink.Stream
	conn  net.Conn
	ended chan struct{} // closed when no more answers come
}

// maxWaiting is how much an agent may leave unread of its calls: twice what may be under way.
const maxWaiting = 64 << 20

// connected serves a connection of the agent by its socket, and returns when it has ended.
func (l *Link) connected(purpose byte, conn net.Conn) {
	switch purpose {
	case agentlink.PurposeNATS:
		l.relayNATS(conn)
	case agentlink.PurposeCalls:
		l.serveCalls(conn)
	case agentlink.PurposeCompiled:
		l.serveCompiled(conn)
	default:
		conn.Close()
	}
}

// relayNATS connects the agent with the internal server, which then wants to know who it is.
func (l *Link) relayNATS(conn net.Conn) {
	server, err := l.host.server.InProcessConn()
	if err != nil { // it is shutting down
		conn.Close()
		return
	}
	relay(conn, server)
}

// endWithin is how long an agent may take to end that has closed its stream of calls.
const endWithin = 5 * time.Second

// serveCalls serves the stream of calls, of which an agent has one, until it ends. What is under way then is
// answered by who learns how the agent has ended. One that goes on takes no calls any more: it is given up.
func (l *Link) serveCalls(conn net.Conn) {
	conn = agentlink.Quiet(conn)
	s := &stream{Stream: agentlink.NewStream(conn, maxWaiting), conn: conn, ended: make(chan struct{})}
	if !l.stream.CompareAndSwap(nil, s) {
		s.Close()
		return
	}
	err := l.readAnswers(s)
	if !errors.Is(err, agentlink.ErrMalformed) && l.endsWithin(endWithin) {
		return
	}
	l.host.cfg.Logger.Warn("an agent has ended its stream of calls, or sends what cannot be read, and is given up", "agent", l.id, "error", err)
	l.nc.Close()
}

// endsWithin waits for the end of the link, and reports whether it came in time.
func (l *Link) endsWithin(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-l.ctx.Done():
	case <-l.lost:
	case <-timer.C:
		return false
	}
	return true
}

// readAnswers reads answers until the stream ends, and returns why it did.
func (l *Link) readAnswers(s *stream) error {
	defer s.Close()
	defer close(s.ended)
	if _, err := s.conn.Write([]byte{agentlink.HelloTaken}); err != nil {
		return err
	}
	return s.Receive(func(kind agentlink.Kind, body []byte) {
		switch kind {
		case agentlink.KindAnswer:
			l.answered(body)
		case agentlink.KindSync:
			_ = s.SendSync() // one that cannot be sent has nobody left to read it
		}
	})
}

// closeStream reads the answers that have arrived, and none that come later, until ctx ends at the latest.
// Then it ends the stream.
func (l *Link) closeStream(ctx context.Context) {
	s := l.stream.Load()
	if s == nil {
		return
	}
	if c, ok := s.conn.(interface{ CloseRead() error }); ok {
		_ = c.CloseRead() // it fails for a stream that has ended
	}
	select {
	case <-s.ended:
	case <-ctx.Done():
	}
	s.Close() // the connection that the socket knows may be closed already
}
