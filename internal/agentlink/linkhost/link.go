package linkhost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/hostapi"
)

// Link is the node's end of the link to one agent. It is safe for concurrent use.
type Link struct {
	id     string
	nc     *nats.Conn
	host   *Host
	seat   *seat
	seed   string
	known  bool // it has had a link to an earlier process
	socket *socket
	closed sync.Once
	lost   chan struct{} // closed with nc

	shook  chan agentlink.Handshake // has room for the one handshake
	events atomic.Pointer[Events]
	acks   acks
	calls  calls
	stream atomic.Pointer[stream] // nil before the agent has opened one
	frames agentlink.Frames
	// deployed is closed when the agent has answered the Deploy; compiled is set if it has then said that it
	// is going to give what it has compiled, until it does.
	deployed     chan struct{}
	deployedOnce sync.Once
	compiled     atomic.Bool
	// suspected is set while an agent that was late is asked whether it is there.
	suspected atomic.Bool

	ctx    context.Context // ends with Close; bounds host service requests
	cancel context.CancelFunc

	servingMu sync.Mutex     // held to join serving, and to cancel ctx
	serving   sync.WaitGroup // host service requests

	// What follows belongs to receive.
	greeted, warned bool
}

// Events is what an agent tells about its workload. The functions are required; they are called
// from one goroutine at a time, in the order in which the agent spoke, and must not block for long.
type Events struct {
	// Logs is given log records, whose Run is the agent's id. Those of the history were given to an earlier
	// node process, and come before all others; they are to be kept, and not to be published again. The slice
	// is valid during the call only.
	Logs func(records []nex.LogRecord, history bool)
	// Heard has f called, once, from any goroutine, when the agent need not keep the records any longer that
	// Logs has been given so far, because they cannot be lost with the node. It does not wait. There is never
	// more than one f of a Link that waits to be called. Nil means at once.
	Heard func(f func())
	// Exited is told how the workload ended. It may be told again, by an agent that does not know that it was
	// heard.
	// It reports whether that is recorded; otherwise the agent keeps it, and tells it again.
	Exited func(nex.Exit) (recorded bool)
	// Usage is told what the agent of a function uses; nil for programs.
	Usage func(agentlink.Usage)
	// Host answers host service requests, each from a goroutine of its own; nil refuses them. It
	// returns soon after ctx has ended.
	Host func(ctx context.Context, r hostapi.Request) (hostapi.Response, error)
	// Compiled is given what the agent has compiled, size bytes, fewer of which are an error of r; nil refuses
	// that. It is called once at most, from a goroutine of its own, and may wait for r.
	Compiled func(r io.Reader, size int64) error
}

const (
	// killTimeout is how long an agent may take to kill a process tree before the node kills the
	// sandbox. It is less than clients wait by default beyond the grace period.
	killTimeout = 3 * time.Second
	// catchUpTimeout bounds how long Close waits for an Events function.
	catchUpTimeout = time.Second
)

// Dir is the directory with the socket by which the agent can connect.
func (l *Link) Dir() string { return l.socket.dir }

// Wake tells an agent that was let in again to come. It comes without being told, too, a little later.
func (l *Link) Wake() error { return agentlink.Wake(l.Dir()) }

// Bootstrap is the document for the agent; it holds its secret key. The agent sees Dir at dir; an empty
// one means at the same path. Without the host's network it connects by the socket alone.
func (l *Link) Bootstrap(dir string, hostNetwork bool) []byte {
	b := agentlink.Bootstrap{
		AgentID: l.id, Seed: l.seed, LinkDir: cmp.Or(dir, l.Dir()), Token: l.socket.token,
		OrphanTimeout: l.host.cfg.OrphanTimeout,
	}
	if hostNetwork {
		b.URL = l.host.URL()
	}
	return agentlink.Encode(b)
}

// Handshake waits until the agent has introduced itself. It fails for one that speaks another
// [agentlink.Protocol], or that has a workload although it is new, or none although it was let in again. Call
// it once.
func (l *Link) Handshake(ctx context.Context) (agentlink.Handshake, error) {
	select {
	case h := <-l.shook:
		l.socket.closeWaker() // an agent opens its end before it introduces itself
		if err := l.refuses(h); err != nil {
			return agentlink.Handshake{}, fmt.Errorf("handshake of agent %s: %w", l.id, err)
		}
		return h, nil
	case <-ctx.Done():
		return agentlink.Handshake{}, fmt.Errorf("wait for handshake of agent %s: %w", l.id, context.Cause(ctx))
	}
}

// Deploy makes the agent start its workload; from then on events are told to e. It returns once the
// workload runs. A failure that the agent reports is an [nex.Error].
func (l *Link) Deploy(ctx context.Context, d agentlink.Deploy, e Events) (agentlink.DeployReply, error) {
	defer l.deployedOnce.Do(func() { close(l.deployed) })
	l.events.Store(&e)
	request := agentlink.Encode(d)
	if len(request) > agentlink.MaxMessageBytes {
		return agentlink.DeployReply{}, fmt.Errorf("request to agent %s: argv and environment are too large: %w", l.id, nats.ErrMaxPayload)
	}
	body, err := l.request(ctx, agentlink.DeploySubject(l.id), request)
	if err != nil {
		return agentlink.DeployReply{}, err
	}
	reply, err := hearDeployed(body)
	l.compiled.Store(err == nil && reply.Compiled)
	return reply, err
}

// Undeploy stops the workload and returns how it ended, once nothing of it runs any more. It waits
// at most for the grace period and a little more.
func (l *Link) Undeploy(ctx context.Context, grace time.Duration) (nex.Exit, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, grace+killTimeout, errors.New("the agent did not stop the workload in time"))
	defer cancel()
	body, err := l.request(ctx, agentlink.UndeploySubject(l.id), agentlink.Encode(agentlink.Undeploy{Grace: grace}))
	if err != nil {
		return nex.Exit{}, err
	}
	return hearExited(body)
}

// Ping reports whether the agent answers.
func (l *Link) Ping(ctx context.Context) error {
	_, err := l.request(ctx, agentlink.PingSubject(l.id), nil)
	return err
}

// CatchUp returns once Events were told all that has arrived from the agent so far.
func (l *Link) CatchUp(ctx context.Context) error {
	// A message of the node to itself comes after what is under way already.
	_, err := l.request(ctx, caughtUpSubject(l.id), nil)
	return err
}

// Lost is closed when the node's connection to the internal server is gone, also after Close: nothing
// reaches the agent any more.
func (l *Link) Lost() <-chan struct{} { return l.lost }

// Close tells Events what has arrived, then cuts the agent off and forgets its keys. Only the first
// call counts.
func (l *Link) Close() { l.end(true) }

// end ends the link: for good, or so that the agent can come back to a later process.
func (l *Link) end(forGood bool) {
	l.closed.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), catchUpTimeout)
		defer cancel()
		if forGood {
			_ = l.CatchUp(ctx) // it fails when there is nothing to wait for, or no use in it
		}
		l.events.Store(nil)
		l.acks.close()
		l.servingMu.Lock()
		l.cancel()
		l.servingMu.Unlock()
		l.nc.Close()
		l.closeStream(ctx)
		l.calls.abandon(l.gone())
		l.serving.Wait()
		l.host.users.dismiss(l.seat)
		if l.socket != nil {
			l.socket.close()
		}
		if forGood {
			l.host.remove(l.Dir())
			l.host.forget(l.id)
		}
	})
}

func (l *Link) request(ctx context.Context, subject string, body []byte) ([]byte, error) {
	msg, err := l.nc.RequestWithContext(ctx, subject, body)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, fmt.Errorf("request to agent %s: %w", l.id, err)
	}
	return msg.Data, nil
}
