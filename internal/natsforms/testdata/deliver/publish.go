package main

import (
	"context"
	"encoding/binary"
	"errors"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// maxPending is how many messages are published and not yet acknowledged.
	maxPending = 8192
	// ackWait is after what time a message is taken for lost. A new leader is chosen within seconds.
	ackWait = 3 * time.Second
)

// publisher publishes each number until it is acknowledged.
type publisher struct {
	subject string
	acked   *set
	again   int
}

func (p *publisher) run(ctx context.Context, nc *nats.Conn) error {
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(maxPending), jetstream.WithPublishAsyncTimeout(ackWait),
		jetstream.WithPublishAsyncAckHandler(func(_ jetstream.JetStream, m *nats.Msg, _ *jetstream.PubAck) {
			p.acked.add(int(binary.LittleEndian.Uint64(m.Data)))
		}),
		jetstream.WithPublishAsyncErrHandler(func(jetstream.JetStream, *nats.Msg, error) {})) // the next round sees it
	if err != nil {
		return err
	}
	for round := 0; p.acked.len() < p.acked.size; round++ {
		for n := range p.acked.size {
			if p.acked.has(n) {
				continue
			}
			if round > 0 {
				p.again++
			}
			if err := p.publish(ctx, js, n); err != nil {
				return err
			}
		}
		select {
		case <-js.PublishAsyncComplete():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// publish publishes a number, once others are out of the way. What cannot be sent is for the next round.
func (p *publisher) publish(ctx context.Context, js jetstream.JetStream, n int) error {
	m := &nats.Msg{
		Subject: p.subject, Header: nats.Header{jetstream.MsgIDHeader: {strconv.Itoa(n)}},
		Data: binary.LittleEndian.AppendUint64(nil, uint64(n)),
	}
	for ctx.Err() == nil {
		if _, err := js.PublishMsgAsync(m); !errors.Is(err, jetstream.ErrTooManyStalledMsgs) {
			return nil
		}
	}
	return ctx.Err()
}
