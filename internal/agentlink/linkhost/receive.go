package linkhost

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/internal/agentlink"
)

// caughtUpSubject is where the node asks itself whether it has heard everything.
func caughtUpSubject(id string) string { return "hostint." + id + ".caughtup" }

// listen subscribes to everything the agent says, in one subscription so that its order is kept.
func (l *Link) listen() error {
	_, err := l.nc.Subscribe(agentlink.HostSubjects(l.id), l.receive)
	if err == nil {
		err = l.nc.Flush()
	}
	if err != nil {
		return fmt.Errorf("listen to agent: %w", err)
	}
	return nil
}

// receive is called with one message after the other. An answer that cannot be sent has nobody left
// to read it.
func (l *Link) receive(m *nats.Msg) {
	switch m.Subject {
	case agentlink.HandshakeSubject(l.id):
		l.handshake(m)
	case agentlink.LogsSubject(l.id):
		records, err := hearLogs(m.Data)
		if err != nil {
			l.warn("ignored malformed log lines", err)
		} else if e := l.events.Load(); e != nil {
			e.Logs(records)
		}
	case agentlink.ExitedSubject(l.id):
		exit, err := hearExited(m.Data)
		if err != nil {
			l.warn("ignored a malformed report of the program's end", err)
		} else if e := l.events.Load(); e != nil {
			e.Exited(exit)
			_ = m.Respond(nil) // an agent that does not hear this ends after a while by itself
		}
	case agentlink.UsageSubject(l.id):
		u, err := agentlink.Decode[agentlink.Usage](m.Data)
		if err != nil {
			l.warn("ignored a malformed report of memory", err)
		} else if e := l.events.Load(); e != nil && e.Usage != nil {
			e.Usage(u)
		}
	case caughtUpSubject(l.id):
		_ = m.Respond(nil)
	default:
		if method, ok := strings.CutPrefix(m.Subject, agentlink.HostServicesPrefix(l.id)); ok {
			l.serve(m, method)
		}
	}
}

// handshake takes the first handshake that is in order.
func (l *Link) handshake(m *nats.Msg) {
	h, err := hearHandshake(l.id, m.Data)
	switch {
	case err != nil:
		l.warn("refused a malformed agent handshake", err)
	case l.greeted:
		l.warn("refused an agent handshake", errors.New("it is the agent's second"))
	default:
		l.greeted = true
		l.shook <- h
		_ = m.Respond(agentlink.Encode(agentlink.HandshakeReply{NodeID: l.host.cfg.NodeID}))
	}
}

// warn logs what is wrong with an agent, once: an agent cannot fill the node's log.
func (l *Link) warn(what string, err error) {
	if l.warned {
		return
	}
	l.warned = true
	l.host.cfg.Logger.Warn(what, "agent", l.id, "error", err)
}
