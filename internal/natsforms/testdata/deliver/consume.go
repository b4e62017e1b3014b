package main

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// batch is how many messages are asked for at once.
	batch = 1000
	// batchWait bounds the wait for a batch: a request that a server has taken along is not answered.
	batchWait = 2 * time.Second
)

// consumer collects the numbers that a durable consumer delivers.
type consumer struct {
	seen        *set
	redelivered int
}

func (c *consumer) run(ctx context.Context, nc *nats.Conn, stream, durable string) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	messages, err := js.Consumer(ctx, stream, durable)
	if err != nil {
		return err
	}
	for c.seen.len() < c.seen.size {
		if err := ctx.Err(); err != nil {
			return err
		}
		got, err := messages.Fetch(batch, jetstream.FetchMaxWait(batchWait))
		if err != nil {
			continue // there is no leader at the moment
		}
		c.take(got)
	}
	return nil
}

// take notes what has come, and acknowledges each message for itself: of a batch that was cut off, those that are missing
// come again.
func (c *consumer) take(got jetstream.MessageBatch) {
	for m := range got.Messages() {
		if !c.seen.add(int(binary.LittleEndian.Uint64(m.Data()))) {
			c.redelivered++
		}
		_ = m.Ack() // lost with its server it is delivered again
	}
}
