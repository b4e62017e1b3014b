package natsforms_test

// This file is about a single server with JetStream.

import (
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/nex-engine/nex/internal/nextest"
)

// proveJetStream is about a single server, with one replica of everything.
func proveJetStream(r *row) {
	r.bothNodes()
	if output := r.nex.run("try.sh"); !strings.Contains(output, "hello from app.hello") {
		r.t.Errorf("the first try ends with %s", output)
	}
	r.write("count.js")
	r.nex.ok("nex", "devrun", "count.js", "--trigger_subject=app.count")
	r.nex.answers("app.count", "1")
	if output := r.nex.run("jetstream-stream.sh"); !strings.Contains(output, "three chairs") {
		r.t.Errorf("the consumer has got %s", output)
	}
	js, err := jetstream.New(r.nex.connect())
	must(r.t, err)
	stream, err := js.Stream(r.t.Context(), "ORDERS")
	must(r.t, err)
	if c := stream.CachedInfo().Config; c.Replicas != 1 || c.Storage != jetstream.FileStorage {
		r.t.Errorf("the stream has %d replicas and is in %s", c.Replicas, c.Storage)
	}
	// It ends where it must: one server has no replicas, and no more room than it was given.
	_, err = js.CreateStream(r.t.Context(), jetstream.StreamConfig{Name: "THREE", Subjects: []string{"three"}, Replicas: 3})
	if err == nil {
		r.t.Error("a single server has made three replicas")
	}
	_, err = js.CreateStream(r.t.Context(), jetstream.StreamConfig{Name: "LARGE", Subjects: []string{"large"}, MaxBytes: 2 << 30})
	if err == nil {
		r.t.Error("the server has promised more than max_file_store")
	}
	r.nex.with("NATS_PASSWORD=wrong").refused("refuses")

	// What is stored outlives the server, and the node that has joined finds it again.
	must(r.t, r.up.Stop())
	r.up = r.operator.start("jetstream-up.sh")
	consumer, err := js.Consumer(r.t.Context(), "ORDERS", "billing")
	must(r.t, err)
	_, err = js.Publish(r.t.Context(), "orders.new", []byte("a table"))
	must(r.t, err)
	m, err := consumer.Next(jetstream.FetchMaxWait(nextest.Patience))
	must(r.t, err)
	if string(m.Data()) != "a table" {
		r.t.Errorf("the next message is %q: the first one was acknowledged", m.Data())
	}
	r.nex.answers("app.hello", "hello from app.hello")
	r.nex.answers("app.count", "2")
	r.nex.answers("app.service", "the service has got hello")
}
