package control

import (
	"encoding/json"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	nex "github.com/nex-engine/nex"
)

// Publisher publishes events and logs on the control connection. It does not block: what it is given
// waits in a buffer until the NATS server has it, and is published again after an outage, under the same
// Nats-Msg-Id, in the order in which it came. When the buffer is full, what comes is dropped and counted;
// the numbers are told in the node's log once there is room. It is safe for concurrent use.
type Publisher struct {
	node   string
	logger *slog.Logger
	outbox *outbox
}

// NewPublisher makes a Publisher for a node. The caller closes it, before the connection.
func NewPublisher(conn *nats.Conn, node string, logger *slog.Logger) *Publisher {
	p := &Publisher{node: node, logger: logger}
	p.outbox = newOutbox(conn, logger, p.tellDropped)
	return p
}

// Event publishes an event; data is one of the data types of package nex.
func (p *Publisher) Event(namespace string, t nex.EventType, data any) {
	id := nuid.Next()
	e, err := nex.NewEvent(id, p.node, namespace, t, time.Now(), data)
	if err == nil {
		err = p.publish(kindEvent, nex.EventSubject(namespace, t), id, e)
	}
	if err != nil && !errors.Is(err, errFull) {
		p.logger.Warn("event was not published", "type", t, "error", err)
	}
}

// Log publishes a line of a workload's log. One that cannot be published is lost without a word: to
// log that would make it worse.
func (p *Publisher) Log(namespace, workload string, r nex.LogRecord) {
	_ = p.publish(kindLog, nex.LogSubject(namespace, p.node, workload, r.ID), lineID(r), r)
}

// lineID names a line for whoever stores lines or may see one twice; empty if it cannot be named.
func lineID(r nex.LogRecord) string {
	if r.Run == "" || r.Seq == 0 {
		return ""
	}
	return r.Run + "." + strconv.FormatUint(r.Seq, 10)
}

// NodeLog publishes a line of the node's own log.
func (p *Publisher) NodeLog(stream string, r nex.LogRecord) {
	_ = p.publish(kindLog, nex.NodeLogSubject(p.node, stream), nuid.Next(), r)
}

// Flushed has f called, from another goroutine, once the NATS server has all that was published before; never, if
// the publisher is closed first. One question to the server is for all that wait.
func (p *Publisher) Flushed(f func()) { p.outbox.flushed(f) }

// Close gives what waits a moment to reach the server, and ends. What is published later is lost.
func (p *Publisher) Close() { p.outbox.close() }

func (p *Publisher) publish(k kind, subject, id string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	m := &nats.Msg{Subject: subject, Data: b}
	if id != "" {
		m.Header = nats.Header{nats.MsgIdHdr: []string{id}}
	}
	return p.outbox.put(k, m)
}

// tellDropped tells in the node's log what an outage has cost.
func (p *Publisher) tellDropped(d dropped) {
	const text = "NATS was away too long to keep all that was to be published: events and log lines were dropped"
	p.logger.Warn(text, "events", d.events, "log_lines", d.lines)
	p.NodeLog(nex.StreamStderr, nex.LogRecord{
		Text:  text + " events=" + strconv.FormatUint(d.events, 10) + " log_lines=" + strconv.FormatUint(d.lines, 10),
		Level: int(slog.LevelWarn), ID: p.node, Stream: nex.StreamStderr, Time: time.Now().UTC(),
	})
}
