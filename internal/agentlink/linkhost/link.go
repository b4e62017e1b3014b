package linkhost

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
)

// Link is the node's end of the link to one agent. It is safe for concurrent use.
type Link struct {
	id        string
	nc        *nats.Conn
	host      *Host
	seat      *seat
	bootstrap []byte
	closed    sync.Once

	shook  chan agentlink.Handshake // one handshake, then nothing
	events atomic.Pointer[Events]
}

// Events is what an agent tells about its workload. The functions are called from one goroutine at
// a time, in the order in which the agent spoke, and must not block for long.
type Events struct {
	Logs   func([]nex.LogRecord)
	Exited func(nex.Exit)
}

// subscribe listens to everything the agent says, in one subscription so that its order is kept.
func (l *Link) subscribe() error {
	_, err := l.nc.Subscribe(agentlink.HostSubjects(l.id), l.receive)
	if err == nil {
		err = l.nc.Flush()
	}
	if err != nil {
		return fmt.Errorf("listen to agent %s: %w", l.id, err)
	}
	return nil
}

func (l *Link) receive(m *nats.Msg) {
	switch m.Subject {
	case agentlink.HandshakeSubject(l.id):
		l.handshake(m)
	case agentlink.LogsSubject(l.id):
		records, err := agentlink.Decode[[]nex.LogRecord](m.Data)
		if e := l.events.Load(); err == nil && e != nil {
			e.Logs(records)
		}
	case agentlink.ExitedSubject(l.id):
		exited, err := agentlink.Decode[agentlink.Exited](m.Data)
		if e := l.events.Load(); err == nil && e != nil {
			e.Exited(exited.Exit)
			_ = m.Respond(nil) // an agent that does not hear this ends after a while by itself
		}
	}
}

func (l *Link) handshake(m *nats.Msg) {
	h, err := agentlink.Decode[agentlink.Handshake](m.Data)
	if err != nil || h.AgentID != l.id {
		l.host.cfg.Logger.Warn("refused a malformed agent handshake", "agent", l.id)
		return
	}
	select {
	case l.shook <- h:
		_ = m.Respond(agentlink.Encode(agentlink.HandshakeReply{NodeID: l.host.cfg.NodeID}))
	default:
		l.host.cfg.Logger.Warn("refused a second agent handshake", "agent", l.id)
	}
}

// Bootstrap is the document for the agent; it holds its secret key.
func (l *Link) Bootstrap() []byte { return l.bootstrap }

// Handshake waits until the agent has introduced itself. Call it once.
func (l *Link) Handshake(ctx context.Context) (agentlink.Handshake, error) {
	select {
	case h := <-l.shook:
		return h, nil
	case <-ctx.Done():
		return agentlink.Handshake{}, fmt.Errorf("wait for handshake of agent %s: %w", l.id, context.Cause(ctx))
	}
}

// Deploy makes the agent start its workload; from then on events are told to e. It returns once the
// workload runs. A failure that the agent reports is an [nex.Error].
func (l *Link) Deploy(ctx context.Context, d agentlink.Deploy, e Events) (agentlink.DeployReply, error) {
	l.events.Store(&e)
	reply, err := request[agentlink.DeployReply](ctx, l, agentlink.DeploySubject(l.id), d)
	if err == nil && reply.Error != "" {
		err = nex.Errorf(reply.Code, "%s", reply.Error)
	}
	return reply, err
}

// Undeploy stops the workload and returns how it ended, once nothing of it runs any more. It waits
// at most for the grace period and a little more.
func (l *Link) Undeploy(ctx context.Context, grace time.Duration) (nex.Exit, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, grace+killTimeout, errors.New("the agent did not stop the workload in time"))
	defer cancel()
	exited, err := request[agentlink.Exited](ctx, l, agentlink.UndeploySubject(l.id), agentlink.Undeploy{Grace: grace})
	return exited.Exit, err
}

// killTimeout is how long an agent may take to kill a process tree before the node kills the
// sandbox.
const killTimeout = 5 * time.Second

// Ping reports whether the agent answers.
func (l *Link) Ping(ctx context.Context) error {
	if _, err := l.nc.RequestWithContext(ctx, agentlink.PingSubject(l.id), nil); err != nil {
		return fmt.Errorf("ping agent %s: %w", l.id, err)
	}
	return nil
}

// Close cuts the agent off and forgets its keys. Its events are told no more.
func (l *Link) Close() {
	l.closed.Do(func() {
		l.events.Store(nil)
		l.nc.Close()
		l.host.users.dismiss(l.seat)
	})
}

func request[T any](ctx context.Context, l *Link, subject string, m any) (T, error) {
	msg, err := l.nc.RequestWithContext(ctx, subject, agentlink.Encode(m))
	if err != nil {
		var zero T
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return zero, fmt.Errorf("request to agent %s: %w", l.id, err)
	}
	return agentlink.Decode[T](msg.Data)
}
