// Package trigger connects functions with NATS: a message on one of a function's subjects becomes a
// call of its agent, and the agent's answer the reply.
//
// Every message is answered, if an answer was asked for: with the function's result, or with the
// headers that NATS services use for errors, a code and a sentence. A function is a member of a queue
// group, so that of several nodes one runs a call; it is visible as a NATS micro service; and its
// calls are counted and told in events, which at high rates are summed up.
package trigger

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/heapfloor"
)

// Agent runs calls; linkhost.Link is one.
type Agent interface {
	// Call does not wait. It calls done once, from any goroutine.
	Call(t agentlink.Trigger, done func(agentlink.Answer))
}

// Publisher tells of calls. It does not block and is safe for concurrent use.
type Publisher interface {
	Event(namespace string, t nex.EventType, data any)
}

// Config says what a function is. All fields but the description are required.
type Config struct {
	// Services of the connection on which the messages arrive; outlives the Function.
	Services    *Services
	ID          string
	Name        string
	Namespace   string
	Description string
	Subjects    []string
	// Timeout is how long a call may take, waiting for its turn included.
	Timeout time.Duration
	// MaxCalls and MaxBytes bound the calls under way and their payloads; more are refused.
	MaxCalls  int
	MaxBytes  int64
	Publisher Publisher
	Logger    *slog.Logger
}

// Function is a function as the users of NATS see it. Its counts go on when its agent is replaced. It
// is safe for concurrent use.
type Function struct {
	cfg       Config
	queue     string
	started   time.Time
	endpoints []*endpoint
	latency   latency
	refused   atomic.Uint64
	calls     atomic.Int64
	bytes     atomic.Int64
	memory    atomic.Int64
	events    *sampler
	outbox    *outbox

	mu       sync.Mutex
	digest   string // of what runs
	attached *attachment
	drained  bool // no message is let through any more
}

// attachment is the time with one agent.
type attachment struct {
	f     *Function
	agent Agent
	subs  []*nats.Subscription
	// ended is closed by the closed handler of the last subscription.
	open   atomic.Int32
	ended  chan struct{}
	leaves sync.Once

	mu    sync.Mutex
	calls int           // under way
	idle  chan struct{} // closed when calls becomes 0; nil unless somebody waits
}

// garbage is how many bytes of it the messages of all functions may leave on the heap before it is
// collected.
const garbage = 16 << 20

// New makes a Function; nothing is subscribed before Attach. The caller closes it.
func New(cfg Config) *Function {
	heapfloor.Raise(garbage)
	f := &Function{cfg: cfg, queue: QueueGroup(cfg.Namespace, cfg.Name), started: time.Now().UTC()}
	f.endpoints = newEndpoints(cfg.Subjects)
	f.events = newSampler(func(t nex.EventType, e nex.FunctionExecuted) {
		e.WorkloadName, e.Namespace, e.ID = cfg.Name, cfg.Namespace, cfg.ID
		cfg.Publisher.Event(cfg.Namespace, t, e)
	})
	f.outbox = newOutbox(f.deliver)
	return f
}

// QueueGroup is the queue group of all functions of a name in a namespace, on whatever nodes: each
// message is for one of them.
func QueueGroup(namespace, name string) string { return "nex." + namespace + "." + name }

// registerTimeout bounds the wait for the NATS server to take in the subscriptions.
const registerTimeout = 5 * time.Second

// Attach lets messages through to an agent, which runs what has the digest. When it returns, the NATS
// server knows that the function is there. Only one agent is attached at a time: Detach the last one
// first. After Drain it does nothing.
func (f *Function) Attach(agent Agent, digest string) error {
	if f.isDrained() {
		return nil
	}
	a := &attachment{f: f, agent: agent, ended: make(chan struct{})}
	a.open.Store(int32(len(f.endpoints)))
	conn := f.cfg.Services.conn
	before := conn.LastError()
	for _, e := range f.endpoints {
		sub, err := a.subscribe(conn, e)
		if err != nil {
			a.drain()
			return fmt.Errorf("subscribe to the trigger subject %s: %w", e.subject, err)
		}
		a.subs = append(a.subs, sub)
	}
	if err := f.confirm(conn, before); err != nil {
		a.drain()
		return err
	}
	f.mu.Lock()
	f.attached, f.digest = a, digest
	f.mu.Unlock()
	if err := f.cfg.Services.add(f); err != nil {
		f.cfg.Logger.Warn("function is not shown as a NATS micro service", "workload", f.cfg.Name, "id", f.cfg.ID, "error", err)
	}
	if f.isDrained() { // meanwhile
		a.leave()
		f.cfg.Services.remove(f)
	}
	return nil
}

func (a *attachment) subscribe(conn *nats.Conn, e *endpoint) (*nats.Subscription, error) {
	sub, err := conn.QueueSubscribe(e.subject, a.f.queue, func(m *nats.Msg) { a.receive(e, m) })
	if err != nil {
		return nil, err
	}
	sub.SetClosedHandler(func(string) {
		if a.open.Add(-1) == 0 {
			close(a.ended)
		}
	})
	// Messages are refused, not dropped: receive never waits.
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return nil, err
	}
	return sub, nil
}

// confirm waits until the server has taken in the subscriptions, and returns an error if it does not
// allow one of them; before is the connection's last error before that. While the server is away there
// is nobody to ask; the client subscribes when it is back.
func (f *Function) confirm(conn *nats.Conn, before error) error {
	if !conn.IsConnected() {
		return nil
	}
	err := conn.FlushTimeout(registerTimeout)
	if err != nil && conn.IsConnected() {
		return fmt.Errorf("register the trigger subjects with the NATS server: %w", err)
	}
	last := conn.LastError()
	if last == before || !errors.Is(last, nats.ErrPermissionViolation) {
		return nil
	}
	for _, e := range f.endpoints {
		if strings.Contains(last.Error(), "Subscription to "+strconv.Quote(e.subject)) {
			return nex.Errorf(nex.CodeTriggerDenied, "the connection of the function may not subscribe to its trigger subject %s: allow that, or choose another", e.subject)
		}
	}
	return nil
}

// Close sends the last answers and tells the last events. Detach first.
func (f *Function) Close() {
	f.outbox.close()
	f.events.close()
}
