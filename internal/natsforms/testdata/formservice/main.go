// Command formservice answers requests on $SUBJECT until it is told to end. It connects as the variables of the nats
// command line say: a service is a NATS client like any other, and gets its settings by its environment.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/nats-io/nats.go"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	options, err := settings()
	if err != nil {
		return err
	}
	nc, err := nats.Connect(os.Getenv("NATS_URL"), append(options, nats.MaxReconnects(-1))...)
	if err != nil {
		return err
	}
	defer nc.Close()
	_, err = nc.QueueSubscribe(os.Getenv("SUBJECT"), "formservice", func(m *nats.Msg) {
		_ = m.Respond(append([]byte("the service has got "), m.Data...)) // else the caller tries again
	})
	if err != nil {
		return err
	}
	if err := nc.Flush(); err != nil {
		return err
	}
	<-ctx.Done()
	return nc.Drain()
}

func settings() (options []nats.Option, err error) {
	if file := os.Getenv("NATS_CA"); file != "" {
		options = append(options, nats.RootCAs(file))
	}
	if file := os.Getenv("NATS_CERT"); file != "" {
		options = append(options, nats.ClientCert(file, os.Getenv("NATS_KEY")))
	}
	if os.Getenv("NATS_TLS_FIRST") != "" {
		options = append(options, nats.TLSHandshakeFirst())
	}
	if user := os.Getenv("NATS_USER"); user != "" {
		options = append(options, nats.UserInfo(user, os.Getenv("NATS_PASSWORD")))
	}
	if token := os.Getenv("NATS_TOKEN"); token != "" {
		options = append(options, nats.Token(token))
	}
	if file := os.Getenv("NATS_CREDS"); file != "" {
		options = append(options, nats.UserCredentials(file))
	}
	if file := os.Getenv("NATS_NKEY"); file != "" {
		option, err := nats.NkeyOptionFromSeed(file)
		if err != nil {
			return nil, err
		}
		options = append(options, option)
	}
	return options, nil
}
