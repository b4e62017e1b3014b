package control

import (
	"encoding/json"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	nex "github.com/nex-engine/nex"
)

// Publisher publishes events and logs on the control connection. It does not block: while NATS is
// away the connection buffers up to its limit, and what comes after that is lost. It is safe for
// concurrent use.
type Publisher struct {
	conn   *nats.Conn
	node   string
	logger *slog.Logger
}

// NewPublisher makes a Publisher for a node.
func NewPublisher(conn *nats.Conn, node string, logger *slog.Logger) *Publisher {
	return &Publisher{conn: conn, node: node, logger: logger}
}

// Event publishes an event; data is one of the data types of package nex.
func (p *Publisher) Event(namespace string, t nex.EventType, data any) {
	e, err := nex.NewEvent(nuid.Next(), p.node, namespace, t, time.Now(), data)
	if err == nil {
		err = p.publish(nex.EventSubject(namespace, t), e)
	}
	if err != nil {
		p.logger.Warn("event was not published", "type", t, "error", err)
	}
}

// Log publishes a line of a workload's log. One that cannot be published is lost without a word: to
// log that would make it worse.
func (p *Publisher) Log(namespace, workload string, r nex.LogRecord) {
	_ = p.publish(nex.LogSubject(namespace, p.node, workload, r.ID), r)
}

// NodeLog publishes a line of the node's own log.
func (p *Publisher) NodeLog(stream string, r nex.LogRecord) {
	_ = p.publish(nex.NodeLogSubject(p.node, stream), r)
}

func (p *Publisher) publish(subject string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return p.conn.Publish(subject, b)
}
