package hostservice

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// headersOnly and whole say what a scan fetches of each message.
const (
	headersOnly = true
	whole       = false
)

// scanBatch is how many messages are asked for at one time.
const scanBatch = 256

// scanIdle is when the server removes a consumer that nobody could remove any more.
const scanIdle = 10 * time.Second

// errInterrupted means that a scan has missed something.
var errInterrupted = errors.New("the connection to NATS was interrupted: try again")

// scan calls f with the last message of each subject that filter matches, until f fails. It ends with
// what the bucket had when it began.
func (b *openBucket) scan(ctx context.Context, filter string, headers bool, f func(jetstream.Msg) error) error {
	consumer, err := b.stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		FilterSubject:     filter,
		DeliverPolicy:     jetstream.DeliverLastPerSubjectPolicy,
		AckPolicy:         jetstream.AckNonePolicy,
		HeadersOnly:       headers,
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: scanIdle,
	})
	if err != nil {
		return err
	}
	info := consumer.CachedInfo()
	defer func() { _ = b.stream.DeleteConsumer(ctx, info.Name) }() // else the server does it
	received := uint64(0)
	for pending := info.NumPending; pending > 0; {
		n, err := fetch(ctx, consumer, f)
		if err != nil {
			return err
		}
		received += uint64(n)
		pending -= min(pending, uint64(n))
		if n == scanBatch || pending == 0 {
			continue
		}
		// What was counted was replaced meanwhile, or was sent and did not arrive.
		info, err := consumer.Info(ctx)
		switch {
		case err != nil:
			return err
		case info.Delivered.Consumer > received:
			return errInterrupted
		}
		pending = min(pending, info.NumPending)
	}
	return nil
}

// fetch calls f with the messages that are there, up to a batch, and returns how many there were.
func fetch(ctx context.Context, consumer jetstream.Consumer, f func(jetstream.Msg) error) (int, error) {
	batch, err := consumer.FetchNoWait(scanBatch)
	if err != nil {
		return 0, err
	}
	for n := 0; ; n++ {
		select {
		case m, ok := <-batch.Messages():
			if !ok {
				return n, batch.Error()
			}
			if err := f(m); err != nil {
				return n, err
			}
		case <-ctx.Done():
			return n, ctx.Err()
		}
	}
}
