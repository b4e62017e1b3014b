//go:build linux

package main

import (
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
)

// busClient is a client of the server that is attacked.
type busClient struct {
	nc       *nats.Conn
	js       jetstream.JetStream
	ticks    *nats.Subscription
	cleanups []func()

	rounds     int           // to wait for
	mostRounds int           // further ones
	patience   time.Duration // for answers

	mu      sync.Mutex
	heard   map[string]bool // marks
	refused []string        // by permissions
}

func openBus(url, credentials string) *busClient {
	b := &busClient{rounds: rounds, patience: nobodyTimeout, heard: map[string]bool{}}
	var err error
	b.nc, err = nats.Connect(url, credential(credentials), nats.NoEcho(), nats.Timeout(dialTimeout),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.refused = append(b.refused, err.Error())
		}))
	must(err)
	b.js = valueOf(jetstream.New(b.nc, jetstream.WithDefaultTimeout(busTimeout)))
	b.ticks = valueOf(b.nc.SubscribeSync(tickSubject))
	_, err = b.nc.Subscribe(heardSubject+"*", func(m *nats.Msg) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.heard[strings.TrimPrefix(m.Subject, heardSubject)] = true
	})
	must(err)
	b.flush()
	return b
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func valueOf[T any](v T, err error) T {
	must(err)
	return v
}

func credential(text string) nats.Option {
	user, password, isUser := strings.Cut(text, ":")
	switch {
	case text == "-":
		return nats.Name("intruder")
	case isUser:
		return nats.UserInfo(user, password)
	}
	return withKey(valueOf(nkeys.FromSeed([]byte(text))))
}

func (b *busClient) flush() { must(b.nc.FlushTimeout(busTimeout)) }

// connectOnceMore is what the system account hears of.
func (b *busClient) connectOnceMore(url, credentials string) {
	nc := valueOf(nats.Connect(url, credential(credentials), nats.Timeout(dialTimeout)))
	nc.Close()
}

// await waits until what has been done must have had its effect. Ticks from before do not count.
func (b *busClient) await() {
	for b.drop(b.ticks); b.rounds > 0; b.rounds-- {
		must(second(b.ticks.NextMsg(busTimeout)))
	}
	b.rounds = rounds
}

// drop forgets what has come.
func (b *busClient) drop(sub *nats.Subscription) {
	for n, _, _ := sub.Pending(); n > 0; n-- {
		_ = second(sub.NextMsg(busTimeout))
	}
}

func second[T any](_ T, err error) error { return err }
