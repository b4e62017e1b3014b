package agentlink

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/hostapi"
)

// Conn is the agent's end of the link. It is safe for concurrent use.
type Conn struct {
	id        string
	bootstrap Bootstrap
	nc        *nats.Conn
	lost      chan struct{}
	// answering is held for reading while a request is answered.
	answering sync.RWMutex

	mu    sync.Mutex
	calls *calls // nil before a function was deployed
}

// dialTimeout bounds connecting. On a busy machine the node can be late; an agent that is later than
// this is later than its handshake may be.
const dialTimeout = 5 * time.Second

// Dial connects an agent to its node. The caller owns the Conn and closes it.
func Dial(b Bootstrap) (*Conn, error) { return dial(context.Background(), b) }

// Redial connects an agent to its node, or the one after it, when it has lost its link: by the socket alone, where
// the node has to prove itself first. Whoever listens at the node's address may be somebody else by now. The
// caller owns the Conn and closes it.
func Redial(ctx context.Context, b Bootstrap) (*Conn, error) {
	b.URL = ""
	return dial(ctx, b)
}

func dial(ctx context.Context, b Bootstrap) (*Conn, error) {
	pair, err := nkeys.FromSeed([]byte(b.Seed))
	if err != nil {
		return nil, fmt.Errorf("read agent key: %w", err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("read agent key: %w", err)
	}
	c := &Conn{id: b.AgentID, bootstrap: b, lost: make(chan struct{})}
	options := []nats.Option{
		nats.Name("nex-agent " + b.AgentID),
		nats.Nkey(public, pair.Sign),
		nats.CustomInboxPrefix(InboxPrefix(b.AgentID)),
		nats.Timeout(dialTimeout),
		// The server lives and dies with its node. Whoever answers at its address later is somebody
		// else, and must not get at an agent. See Redial.
		nats.NoReconnect(),
		nats.ClosedHandler(func(*nats.Conn) { close(c.lost) }),
	}
	if b.URL == "" {
		options = append(options, nats.SetCustomDialer(natsDialer{ctx, b}))
	}
	if c.nc, err = nats.Connect(b.URL, options...); err != nil {
		return nil, fmt.Errorf("connect to node: %w", err)
	}
	return c, nil
}

// Close ends the link. Log records that were not flushed are lost; answers are sent, if the node takes
// them within a second.
func (c *Conn) Close() {
	if calls := c.opened(); calls != nil {
		calls.close()
	}
	c.nc.Close()
}

// Settle waits until the requests that the Handler has been called with are answered: what is sent
// next arrives after the answers, and Close sends them. The Handler must be able to return.
func (c *Conn) Settle() {
	c.answering.Lock()
	defer c.answering.Unlock() // the point was to get it
}

// Lost is closed when the link is gone for good, also after Close.
func (c *Conn) Lost() <-chan struct{} { return c.lost }

// Handshake introduces the agent. It returns when the node has accepted it.
func (c *Conn) Handshake(ctx context.Context, h Handshake) (HandshakeReply, error) {
	h.Protocol = Protocol
	msg, err := c.nc.RequestWithContext(ctx, HandshakeSubject(c.id), Encode(h))
	if err != nil {
		return HandshakeReply{}, fmt.Errorf("shake hands with node: %w", err)
	}
	return Decode[HandshakeReply](msg.Data)
}

// Exited tells the node that the program has ended and waits for its acknowledgement: one that does not come
// is asked for by telling it again. All answers to calls arrive before.
func (c *Conn) Exited(ctx context.Context, exit nex.Exit) error {
	c.settleCalls()
	_, err := c.nc.RequestWithContext(ctx, ExitedSubject(c.id), Encode(Exited{Exit: exit}))
	return err
}

// Logs sends log records. It does not wait for them to arrive, of which [Handler] is told; the records of one Conn arrive in
// order, and before an Exited that is sent after them.
func (c *Conn) Logs(records []nex.LogRecord) error {
	return c.nc.Publish(LogsSubject(c.id), Encode(records))
}

// History sends log records that an earlier node process has heard. It does not wait for them to arrive;
// what is sent later arrives later.
func (c *Conn) History(records []nex.LogRecord) error {
	return c.nc.Publish(HistorySubject(c.id), Encode(records))
}

// Usage tells the node what the agent uses. It does not wait for that to arrive.
func (c *Conn) Usage(u Usage) error {
	return c.nc.Publish(UsageSubject(c.id), Encode(u))
}

// Request asks the node for a host service and waits for the answer. The error is an
// [*hostapi.Error]. It implements function.Host.
func (c *Conn) Request(ctx context.Context, r hostapi.Request) (hostapi.Response, error) {
	if !slices.Contains(hostapi.Methods[r.Service], r.Method) {
		return hostapi.Response{}, hostapi.Errorf(hostapi.CodeInvalid, "there is no host service %s.%s", r.Service, r.Method)
	}
	if n := len(r.Meta) + len(r.Body); n > MaxPayloadBytes {
		return hostapi.Response{}, hostapi.Errorf(hostapi.CodeTooLarge, "a request of %d bytes to host service %s is larger than %d", n, r.Service, MaxPayloadBytes)
	}
	timeout := maxHostRequest
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(deadline))
	}
	frame := AppendHostRequest(make([]byte, 0, len(r.Meta)+len(r.Body)+16), r, timeout)
	msg, err := c.nc.RequestWithContext(ctx, HostServiceSubject(c.id, r.Service, r.Method), frame)
	switch {
	case err == nil:
		return ParseHostResponse(msg.Data)
	case ctx.Err() != nil:
		return hostapi.Response{}, hostapi.Errorf(hostapi.CodeTimeout, "host service %s did not answer within the time that the call has", r.Service)
	}
	return hostapi.Response{}, hostapi.Errorf(hostapi.CodeInternal, "the node did not answer a request to host service %s: %v", r.Service, err)
}

// maxHostRequest bounds a host service request that nothing else bounds.
const maxHostRequest = 5 * time.Minute

// Handler is the agent's side of the node's requests. Deploy and Undeploy are each called from a
// goroutine of their own.
type Handler interface {
	Deploy(Deploy) DeployReply
	Undeploy(Undeploy) Exited
	// LogsHeard is told that the node has log records. It must not block.
	LogsHeard(LogsHeard)
	// Trigger starts a call and must not block: further ones wait for it to return. It calls answer
	// once, from any goroutine, at any time.
	Trigger(t Trigger, answer func(Answer))
}

// Serve answers the node's requests with h until the Conn is closed. It returns at once.
func (c *Conn) Serve(h Handler) error {
	subscribe := func(subject string, answer func(body []byte) []byte) error {
		_, err := c.nc.Subscribe(subject, func(m *nats.Msg) {
			go func() {
				c.answering.RLock()
				defer c.answering.RUnlock()
				// An answer that cannot be sent has nobody left to read it.
				_ = m.Respond(answer(m.Data))
			}()
		})
		if err != nil {
			return fmt.Errorf("subscribe to %s: %w", subject, err)
		}
		return nil
	}
	err := subscribe(DeploySubject(c.id), func(body []byte) []byte {
		d, err := Decode[Deploy](body)
		if err == nil && d.Function != nil {
			err = c.OpenCalls(h)
		}
		if err != nil {
			return Encode(DeployReply{Error: err.Error(), Code: nex.CodeInternal})
		}
		return Encode(h.Deploy(d))
	})
	if err != nil {
		return err
	}
	err = subscribe(UndeploySubject(c.id), func(body []byte) []byte {
		u, err := Decode[Undeploy](body)
		if err != nil {
			u = Undeploy{} // stop at once: the node wants the workload gone
		}
		exited := h.Undeploy(u)
		c.settleCalls()
		return Encode(exited)
	})
	if err != nil {
		return err
	}
	_, err = c.nc.Subscribe(LogsHeardSubject(c.id), func(m *nats.Msg) {
		if heard, err := Decode[LogsHeard](m.Data); err == nil {
			h.LogsHeard(heard)
		}
	})
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", LogsHeardSubject(c.id), err)
	}
	return subscribe(PingSubject(c.id), func([]byte) []byte { return nil })
}
