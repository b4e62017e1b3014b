package control_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/control"
	"github.com/nex-engine/nex/internal/natstest"
)

// Flushed tells that the server has what was published before.
func TestFlushed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	lines := r.subscribe("$NEX.logs.>")
	p := r.config.Publisher
	for i := range 3 {
		p.Log(namespace, "echo", nex.LogRecord{Text: "hello", ID: "w1", Run: "r1", Seq: uint64(i + 1)})
	}
	told := make(chan struct{}, 2)
	for range cap(told) {
		p.Flushed(func() { told <- struct{}{} })
	}
	for range cap(told) {
		await(t, told)
	}
	for i := range 3 {
		if id, want := next(t, lines).Header.Get(nats.MsgIdHdr), fmt.Sprintf("r1.%d", i+1); id != want {
			t.Errorf("line %d has the id %q, want %q", i+1, id, want)
		}
	}
}

// A line that has no number in a run has no id either: two of them must not be taken for one.
func TestLineWithoutNumber(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	lines := r.subscribe("$NEX.logs.>")
	r.config.Publisher.Log(namespace, "echo", nex.LogRecord{Text: "hello", ID: "w1", Seq: 1})
	if h := next(t, lines).Header; h != nil {
		t.Errorf("the line has headers: %v", h)
	}
}

func await(t *testing.T, told <-chan struct{}) {
	t.Helper()
	select {
	case <-told:
	case <-time.After(patience):
		t.Fatal("Flushed has not told")
	}
}

// link is the way to the server, which can be cut.
type link struct {
	mu    sync.Mutex
	down  bool
	conns []net.Conn
}

// Dial implements nats.CustomDialer.
func (l *link) Dial(network, address string) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		return nil, errors.New("the way is cut")
	}
	conn, err := net.Dial(network, address)
	if err == nil {
		l.conns = append(l.conns, conn)
	}
	return conn, err
}

func (l *link) set(down bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = down
	for _, c := range l.conns {
		_ = c.Close()
	}
	l.conns = nil
}

// outage is a publisher on a connection of its own, and who listens on the same server.
type outage struct {
	t *testing.T
	*link
	conn   *nats.Conn
	events *nats.Subscription
	log    *lockedBuffer
	*control.Publisher
}

func newOutage(t *testing.T) *outage {
	t.Helper()
	s := natstest.Run(t, func(o *server.Options) { o.JetStream = false })
	o := &outage{t: t, link: &link{}, log: &lockedBuffer{}}
	o.conn = natstest.Connect(t, s, nats.SetCustomDialer(o.link), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))
	o.Publisher = control.NewPublisher(o.conn, "NODE", slog.New(slog.NewTextHandler(o.log, nil)))
	t.Cleanup(o.Close)
	listener := natstest.Connect(t, s)
	var err error
	if o.events, err = listener.SubscribeSync("$NEX.>"); err == nil {
		if err = o.events.SetPendingLimits(-1, -1); err == nil {
			err = listener.Flush()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// cut returns when the connection has noticed.
func (o *outage) cut() {
	o.t.Helper()
	away := o.conn.StatusChanged(nats.RECONNECTING)
	o.set(true)
	select {
	case <-away:
	case <-time.After(patience):
		o.t.Fatal("the connection has not noticed that it is cut")
	}
}

func (o *outage) line(seq int) {
	o.Log(namespace, "echo", nex.LogRecord{Text: strings.Repeat("x", 1000), ID: "w1", Run: "r1", Seq: uint64(seq)})
}

// seq is the number of the next message, which must be a line of the run.
func (o *outage) seq() int {
	o.t.Helper()
	msg := next(o.t, o.events)
	r, err := nex.DecodeLogRecord(msg.Data)
	if err != nil || r.Run != "r1" || r.Seq == 0 {
		o.t.Fatalf("%s: %s, %v; want a line of the run", msg.Subject, msg.Data, err)
	}
	return int(r.Seq)
}

// What is published while the connection is away arrives when it is back, in order and once; who waits
// for it to be flushed waits for that.
func TestPublishDuringOutage(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	o.cut()
	const lines = 100
	for i := range lines {
		o.line(i + 1)
	}
	told := make(chan struct{}, 1)
	o.Flushed(func() { told <- struct{}{} })
	o.Event(namespace, nex.EventHeartbeat, nex.Heartbeat{})
	if len(told) > 0 {
		t.Error("lines are said to be out that are not")
	}
	o.set(false)
	for i := range lines {
		if got := o.seq(); got != i+1 {
			t.Fatalf("line %d came as number %d", got, i+1)
		}
	}
	await(t, told)
	if msg := next(t, o.events); msg.Subject != nex.EventSubject(namespace, nex.EventHeartbeat) {
		t.Errorf("after the lines came %s, want the event", msg.Subject)
	}
	if log := o.log.String(); log != "" {
		t.Errorf("an outage without loss was logged:\n%s", log)
	}
}

// What was on its way when the connection broke is published again, under the same id: nothing is
// lost, whatever moment it breaks in, and who looks at the ids sees nothing twice.
func TestNothingIsLostWhenConnectionBreaks(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	const lines, cuts = 3000, 10
	go func() {
		for i := range lines {
			if i%(lines/cuts) == lines/cuts/2 {
				o.set(true)
				o.set(false)
			}
			o.line(i + 1)
		}
	}()
	seen, again := map[int]bool{}, 0
	for len(seen) < lines {
		seq := o.seq()
		if seen[seq] {
			again++
		}
		seen[seq] = true
	}
	t.Logf("%d of %d lines came again", again, lines)
}

// An outage that is too long costs the newest lines and events, and the node tells how many.
func TestOutageTooLong(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	o.cut()
	const lines, events = 12000, 7
	for i := range lines {
		o.line(i + 1)
	}
	for range events {
		o.Event(namespace, nex.EventHeartbeat, nex.Heartbeat{})
	}
	if log := o.log.String(); log != "" {
		t.Errorf("the node tells of the loss while it cannot tell how much it is:\n%s", log)
	}
	o.set(false)
	kept, keptEvents := 0, 0
	var told nex.LogRecord
	for told.Text == "" {
		msg := next(t, o.events)
		r, err := nex.DecodeLogRecord(msg.Data)
		switch {
		case err != nil:
			t.Fatal(err)
		case strings.HasPrefix(msg.Subject, nex.EventSubject(namespace, nex.EventHeartbeat)):
			keptEvents++ // one is smaller than a line
		case msg.Subject == nex.NodeLogSubject("NODE", nex.StreamStderr):
			told = r
		case r.Seq != uint64(kept+1):
			t.Fatalf("line %d came after line %d", r.Seq, kept)
		default:
			kept++
		}
	}
	want := fmt.Sprintf("events=%d log_lines=%d", events-keptEvents, lines-kept)
	if !strings.HasSuffix(told.Text, want) || !strings.Contains(o.log.String(), want) {
		t.Errorf("told %q, logged %q, want %s in both", told.Text, o.log.String(), want)
	}
	if bytes := kept * 1000; bytes < control.MaxOutbox/2 || bytes > control.MaxOutbox {
		t.Errorf("%d bytes of text were kept, want most of %d", bytes, control.MaxOutbox)
	}
}

// A publisher that is closed while NATS is away does not wait for it for long, and says nothing that is not so.
func TestCloseDuringOutage(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	o.cut()
	o.line(1)
	began := time.Now()
	o.Close()
	if took := time.Since(began); took > patience/2 {
		t.Errorf("Close took %s", took)
	}
	o.Flushed(func() { t.Error("lines are said to be out that are lost") })
}
