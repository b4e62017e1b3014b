package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/nats-io/nats.go"

	nex "github.com/nex-engine/nex"
)

// EventFilter selects events; empty fields select all. Events of all namespaces come only to a
// connection that may see them. A filter that can match nothing is refused.
type EventFilter struct {
	Namespace string
	Type      nex.EventType
	Node      string
	Workload  string // name or id
}

// WatchEvents calls each with every event that is published from now on, one at a time, until ctx
// ends; then it returns nil. What a node publishes again, because it cannot know whether it has arrived
// before an outage, is told once. Ready, which may be nil, is called once it listens. What is published
// faster than each takes it is kept for a while, and lost when it becomes too much.
func (c *Client) WatchEvents(ctx context.Context, f EventFilter, ready func(), each func(nex.Event)) error {
	if err := checkFilter(f.Namespace, f.Node); err != nil {
		return err
	}
	subject := nex.EventSubject(orAny(f.Namespace), nex.EventType(orAny(string(f.Type))))
	seen := newSeenEvents()
	return c.follow(ctx, subject, ready, func(m *nats.Msg) {
		e, err := nex.DecodeEvent(m.Data)
		if err != nil || (f.Node != "" && e.Source != f.Node) {
			return
		}
		if f.Workload != "" && !concerns(e, f.Workload) {
			return
		}
		if seen.first(e) {
			each(e)
		}
	})
}

// concerns reports whether an event is about the workload with this name or id.
func concerns(e nex.Event, workload string) bool {
	name, id := e.Workload()
	return workload == name || workload == id
}

// LogFilter selects log lines; empty fields select all. The nodes' own logs are in the namespace
// [nex.SystemNamespace].
type LogFilter struct {
	Namespace string
	Node      string
	Workload  string // name or id
	// MinLevel is the least level to select, such as slog.LevelWarn.
	MinLevel slog.Leveler
}

// FollowLogs calls each with every log line that is published from now on, as WatchEvents does with
// events.
func (c *Client) FollowLogs(ctx context.Context, f LogFilter, ready func(), each func(nex.LogSource, nex.LogRecord)) error {
	if err := checkFilter(f.Namespace, f.Node); err != nil {
		return err
	}
	// The nodes' own logs have one token less, so the filter is on the source, not in the subject.
	subject := nex.Prefix + ".logs." + orAny(f.Namespace) + "." + orAny(f.Node) + ".>"
	seen := newSeenLines()
	return c.follow(ctx, subject, ready, func(m *nats.Msg) {
		source, ok := nex.ParseLogSubject(m.Subject)
		if !ok || (f.Workload != "" && f.Workload != source.Workload && f.Workload != source.ID) {
			return
		}
		r, err := nex.DecodeLogRecord(m.Data)
		if err != nil || (f.MinLevel != nil && slog.Level(r.Level) < f.MinLevel.Level()) {
			return
		}
		if seen.first(r) {
			each(source, r)
		}
	})
}

func checkFilter(namespace, node string) error {
	if namespace != "" {
		if err := checkNamespace(namespace); err != nil {
			return err
		}
	}
	if node != "" {
		return checkNode(node)
	}
	return nil
}

// follow runs each in the caller's goroutine.
func (c *Client) follow(ctx context.Context, subject string, ready func(), each func(*nats.Msg)) error {
	sub, err := c.nc.SubscribeSync(subject)
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", subject, err)
	}
	defer func() { _ = sub.Unsubscribe() }() // it fails only if the connection is gone
	if err := c.listening(ctx, subject); err != nil || ctx.Err() != nil {
		return err
	}
	if ready != nil {
		ready()
	}
	for {
		msg, err := sub.NextMsgWithContext(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, nats.ErrSlowConsumer):
			continue // what was lost is lost; what comes is still of interest
		case err != nil:
			return fmt.Errorf("follow %s: %w", subject, err)
		}
		each(msg)
	}
}

// listening returns when the server knows the subscription, or when ctx ends, which is no error.
func (c *Client) listening(ctx context.Context, subject string) error {
	bounded, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	if err := c.nc.FlushWithContext(bounded); err != nil && ctx.Err() == nil {
		return fmt.Errorf("subscribe to %s: %w", subject, err)
	}
	return c.denied(subject)
}

func orAny(token string) string {
	if token == "" {
		return "*"
	}
	return token
}
