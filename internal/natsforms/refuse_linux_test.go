package natsforms_test

// This file proves what somebody cannot do.

import (
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/internal/nextest"
)

// refused proves that nobody at the terminal gets in: not with the nats command line, not with nats.go, and not with
// nex, which must say why. Who is hung up on while still talking does not hear why, and tries again.
func (tt *terminal) refused(why string) {
	tt.t.Helper()
	tt.fails("nats", "pub", "app.x", "", "--timeout", "2s")
	for client, try := range map[string]func() string{
		"nats.go": func() string {
			nc, err := tt.dial()
			if err != nil {
				return err.Error()
			}
			nc.Close()
			tt.t.Error("nats.go has connected")
			return ""
		},
		"nex": func() string { return tt.fails("nex", "node", "ls") },
	} {
		var told string
		if !nextest.Poll(func() bool {
			told = try()
			return strings.Contains(told, why) || tt.t.Failed()
		}) {
			tt.t.Errorf("%s says %q, want %q", client, told, why)
		}
	}
}

// onlyUses proves that whoever is at the terminal can neither deploy nor make streams, which could hear and repeat
// what others do, and that a service with these settings cannot be made to deploy.
func (tt *terminal) onlyUses() {
	tt.t.Helper()
	for _, subject := range []string{"$NEX.PING", "$JS.API.INFO", "$KV.bucket.key", "$O.NEXCLIFILES.C.object"} {
		tt.denied(subject)
	}
	tt.repeatsNothing("app.repeat", "$NEX.DEPLOY.default.node")
}

// repeatsNothing proves that a service with the settings of the terminal, which answers what it is sent, does not answer
// on a subject that a caller with the same settings names.
func (tt *terminal) repeatsNothing(service, reply string) {
	tt.t.Helper()
	denials, answered := make(chan error, 16), make(chan error, 1)
	nc := tt.connect(nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { denials <- err }))
	_, err := nc.Subscribe(service, func(m *nats.Msg) { answered <- errors.Join(m.Respond(m.Data), nc.Flush()) })
	must(tt.t, err, nc.Flush(), tt.connect().PublishRequest(service, reply, []byte("{}")))
	select {
	case err := <-answered:
		must(tt.t, err)
	case <-time.After(nextest.Patience):
		tt.t.Fatalf("%s was not called", service)
	}
	select {
	case err := <-denials: // came before the flush was answered, but is handed over by another goroutine
		if !strings.Contains(err.Error(), `Permissions Violation for Publish to "`+reply) {
			tt.t.Errorf("%s: %v", service, err)
		}
	case <-time.After(nextest.Patience):
		tt.t.Errorf("the server lets %s answer on %s", service, reply)
	}
}

// denied proves that the server forbids whoever is at the terminal to publish and to subscribe on a subject.
func (tt *terminal) denied(subject string) {
	tt.t.Helper()
	tt.unheard(subject)
	tt.forbids("Publish", subject, func(nc *nats.Conn) error { return nc.Publish(subject, nil) })
}

// unheard proves that the server forbids whoever is at the terminal to subscribe to a subject.
func (tt *terminal) unheard(subject string) {
	tt.t.Helper()
	tt.forbids("Subscription", subject, func(nc *nats.Conn) error {
		_, err := nc.SubscribeSync(subject)
		return err
	})
}

func (tt *terminal) forbids(what, subject string, use func(nc *nats.Conn) error) {
	tt.t.Helper()
	denials := make(chan error, 16)
	nc := tt.connect(nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { denials <- err }))
	must(tt.t, use(nc), nc.Flush())
	select {
	case err := <-denials:
		if !strings.Contains(err.Error(), "Permissions Violation for "+what+` to "`+subject) {
			tt.t.Errorf("%s: %v", subject, err)
		}
	case <-time.After(nextest.Patience):
		tt.t.Fatalf("the server has not forbidden %s", subject)
	}
}

// nobody proves that there is nobody to answer a request on a subject.
func (tt *terminal) nobody(subject string) {
	tt.t.Helper()
	_, err := tt.connect().Request(subject, nil, nextest.Patience)
	if !errors.Is(err, nats.ErrNoResponders) {
		tt.t.Errorf("request on %s: %v", subject, err)
	}
}
