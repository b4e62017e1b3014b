// Command deliver publishes numbered messages to a stream and consumes them, both through any of the servers
// that the one it is told of knows, as the user that NATS_USER and NATS_PASSWORD say, and reports what has become of each. Messages that were not acknowledged
// are published again until they are; their number is their Nats-Msg-Id, so that the stream holds none twice.
// It prints one JSON object.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"
)

// report is what is printed.
type report struct {
	Published   int           `json:"published"`   // acknowledged
	Again       int           `json:"again"`       // publishes beyond the first of a message
	Consumed    int           `json:"consumed"`    // different messages
	Redelivered int           `json:"redelivered"` // deliveries beyond the first of a message
	Reconnects  uint64        `json:"reconnects"`
	Took        time.Duration `json:"took"`
}

func main() {
	url := flag.String("url", nats.DefaultURL, "`URL` of one server")
	stream := flag.String("stream", "", "`name` of the stream")
	subject := flag.String("subject", "", "`subject` to publish on")
	durable := flag.String("durable", "", "`name` of the consumer")
	messages := flag.Int("messages", 1_000_000, "how `many` messages")
	within := flag.Duration("within", 2*time.Minute, "the `time` that all may take")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), *within)
	defer cancel()
	r, err := deliver(ctx, *url, *messages, *subject, *stream, *durable)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(r)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "deliver: %v (%+v)\n", err, r)
		os.Exit(1)
	}
}

// deliver publishes and consumes at the same time.
func deliver(ctx context.Context, url string, messages int, subject, stream, durable string) (report, error) {
	began := time.Now()
	p := &publisher{subject: subject, acked: newSet(messages)}
	c := &consumer{seen: newSet(messages)}
	group, ctx := errgroup.WithContext(ctx)
	var reconnects [2]uint64
	for i, run := range []func(context.Context, *nats.Conn) error{
		p.run,
		func(ctx context.Context, nc *nats.Conn) error { return c.run(ctx, nc, stream, durable) },
	} {
		nc, err := connect(url)
		if err != nil {
			return report{}, err
		}
		defer nc.Close()
		group.Go(func() error {
			defer func() { reconnects[i] = nc.Stats().Reconnects }()
			return run(ctx, nc)
		})
	}
	err := group.Wait()
	return report{
		Published: p.acked.len(), Again: p.again, Consumed: c.seen.len(), Redelivered: c.redelivered,
		Reconnects: reconnects[0] + reconnects[1], Took: time.Since(began),
	}, err
}

func connect(url string) (*nats.Conn, error) {
	return nats.Connect(url, nats.Name("deliver"), nats.UserInfo(os.Getenv("NATS_USER"), os.Getenv("NATS_PASSWORD")), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
}
