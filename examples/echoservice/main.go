// Command echoservice answers every request on svc.echo with the request's own payload.
//
// It is a NATS micro service like any other and knows nothing of Nex: it takes the server from
// NATS_URL (default nats://127.0.0.1:4222) and runs until it gets SIGTERM or SIGINT. Then it answers
// what it has received and exits with 0. Build it as a static program to deploy it:
//
//	CGO_ENABLED=0 go build -o echoservice ./examples/echoservice
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
)

const (
	flushWithin = 10 * time.Second // for the server to learn of the service
	drainWithin = 5 * time.Second  // for requests that have arrived when the service is told to end
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	url := cmp.Or(strings.TrimSpace(os.Getenv("NATS_URL")), nats.DefaultURL)
	if err := run(ctx, url, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "echoservice: %v\n", err)
		os.Exit(1)
	}
}

// run serves until ctx ends. It fails if the server cannot be reached at first or turns the
// service away; it outlasts a server that is gone for a while.
func run(ctx context.Context, url string, out io.Writer) error {
	closed := make(chan struct{})
	nc, err := nats.Connect(url,
		nats.Name("EchoService"),
		nats.MaxReconnects(-1),
		nats.DrainTimeout(drainWithin),
		nats.ClosedHandler(func(*nats.Conn) { close(closed) }),
	)
	if err != nil {
		return fmt.Errorf("connect to NATS: %w", err)
	}
	defer nc.Close()
	fmt.Fprintf(out, "Echo service using NATS url '%s'\n", nc.ConnectedUrlRedacted())

	_, err = micro.AddService(nc, micro.Config{
		Name:        "EchoService",
		Version:     "1.0.0",
		Description: "Answers every request with its payload",
		Endpoint: &micro.EndpointConfig{
			Subject: "svc.echo",
			Handler: micro.HandlerFunc(echo),
		},
	})
	if err != nil {
		return fmt.Errorf("add service: %w", err)
	}
	// Once the server has answered, it knows the subscriptions: who reads the line can send requests.
	if err := flush(ctx, nc); err != nil && ctx.Err() == nil {
		return fmt.Errorf("add service: %w", err)
	}
	fmt.Fprintln(out, "Starting echo service")

	select {
	case <-ctx.Done():
	case <-closed:
		return fmt.Errorf("connection closed: %w", cmp.Or(nc.LastError(), nats.ErrConnectionClosed))
	}
	return drain(nc, closed)
}

// echo answers a request. An answer that cannot be sent has no other way to its caller either.
func echo(r micro.Request) { _ = r.Respond(r.Data()) }

// flush returns once the server has taken in what was sent to it before.
func flush(ctx context.Context, nc *nats.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, flushWithin)
	defer cancel()
	return nc.FlushWithContext(ctx)
}

// drain unsubscribes, answers what has arrived, and closes the connection.
func drain(nc *nats.Conn, closed <-chan struct{}) error {
	err := nc.Drain()
	if errors.Is(err, nats.ErrConnectionReconnecting) {
		return nil // there is no server to say goodbye to; Drain has closed the connection
	}
	if err != nil {
		return fmt.Errorf("drain connection: %w", err)
	}
	<-closed
	return nil
}
