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
		l.hearLogs(m, false)
	case agentlink.HistorySubject(l.id):
		l.hearLogs(m, true)
	case agentlink.ExitedSubject(l.id):
		exit, err := hearExited(m.Data)
		if err != nil {
			l.warn("ignored a malformed report of the program's end", err)
		} else if e := l.events.Load(); e != nil {
			if e.Exited(exit) {
				_ = m.Respond(nil) // an agent that does not hear this says it again
			}
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

// hearLogs takes log records.
func (l *Link) hearLogs(m *nats.Msg, history bool) {
	records, seq, err := hearLogs(l.id, m.Data)
	if err != nil {
		l.warn("ignored malformed log lines", err)
		return
	}
	e := l.events.Load()
	if e == nil || history && !l.known {
		return
	}
	e.Logs(records, history)
	if !history {
		l.gaveLogs(seq)
	}
}

// handshake takes the first handshake that is in order. An agent that comes back with its workload while this
// process has not lost it cannot be trusted to have kept what was under way: it is given up.
func (l *Link) handshake(m *nats.Msg) {
	h, err := hearHandshake(l.id, m.Data)
	switch {
	case err != nil:
		l.warn("refused a malformed agent handshake", err)
	case l.greeted && h.Held != nil:
		l.host.cfg.Logger.Warn("an agent has lost its link and is given up", "agent", l.id)
		l.nc.Close()
	case l.greeted:
		l.warn("refused an agent handshake", errors.New("it is the agent's second"))
	default:
		l.greeted = true
		if l.refuses(h) == nil {
			_ = m.Respond(agentlink.Encode(agentlink.HandshakeReply{NodeID: l.host.cfg.NodeID}))
		}
		l.shook <- h
	}
}

// refuses says why the link is not for an agent that introduces itself so.
func (l *Link) refuses(h agentlink.Handshake) error {
	switch {
	case h.Protocol != agentlink.Protocol:
		return fmt.Errorf("it speaks version %d of the agent link, and this node version %d", h.Protocol, agentlink.Protocol)
	case l.known && h.Held == nil:
		return errors.New("it has no workload any more")
	case !l.known && h.Held != nil:
		return errors.New("it has a workload that this node has not given it")
	}
	return nil
}

// warn logs what is wrong with an agent, once: an agent cannot fill the node's log.
func (l *Link) warn(what string, err error) {
	if l.warned {
		return
	}
	l.warned = true
	l.host.cfg.Logger.Warn(what, "agent", l.id, "error", err)
}
