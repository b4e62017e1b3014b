package linkhost

import (
	"context"
	"errors"
	"net"

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

// serveCalls reads answers until the stream ends. An agent has one stream.
func (l *Link) serveCalls(conn net.Conn) {
	s := &stream{Stream: agentlink.NewStream(conn, maxWaiting), conn: conn, ended: make(chan struct{})}
	defer s.Close()
	defer close(s.ended)
	if !l.stream.CompareAndSwap(nil, s) {
		return
	}
	if _, err := conn.Write([]byte{agentlink.HelloTaken}); err != nil {
		return // the agent notices
	}
	err := s.Receive(func(kind agentlink.Kind, body []byte) {
		switch kind {
		case agentlink.KindAnswer:
			l.answered(body)
		case agentlink.KindSync:
			_ = s.SendSync() // one that cannot be sent has nobody left to read it
		}
	})
	if errors.Is(err, agentlink.ErrMalformed) {
		l.host.cfg.Logger.Warn("an agent sends what cannot be read and is given up", "agent", l.id, "error", err)
		l.nc.Close()
	}
	// What is under way is answered by who learns how the agent has ended.
}

// closeStream reads the answers that have arrived, and none that come later. It ends with ctx at the
// latest.
func (l *Link) closeStream(ctx context.Context) {
	s := l.stream.Load()
	if s == nil {
		return
	}
	if c, ok := s.conn.(*net.UnixConn); ok {
		_ = c.CloseRead() // it fails for a stream that has ended
	}
	select {
	case <-s.ended:
	case <-ctx.Done():
	}
}
