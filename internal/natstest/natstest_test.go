package natstest_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/nex-engine/nex/internal/natstest"
)

func TestRunServesJetStream(t *testing.T) {
	t.Parallel()
	nc := natstest.Connect(t, natstest.Run(t))
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	bucket, err := js.CreateObjectStore(t.Context(), jetstream.ObjectStoreConfig{Bucket: "b"})
	if err != nil {
		t.Fatalf("create object store: %v", err)
	}
	if _, err := bucket.PutString(t.Context(), "k", "v"); err != nil {
		t.Fatalf("put: %v", err)
	}
	if got, err := bucket.GetString(t.Context(), "k"); err != nil || got != "v" {
		t.Fatalf("get = %q, %v; want v", got, err)
	}
}

func TestRunEditsOptions(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t, func(o *server.Options) {
		o.JetStream = false
		o.Username, o.Password = "u", "p"
	})
	if s.JetStreamEnabled() {
		t.Error("JetStream is enabled")
	}
	if nc, err := nats.Connect(s.ClientURL(), nats.Timeout(5*time.Second)); err == nil {
		nc.Close()
		t.Error("connected without the password that the options demand")
	}
	natstest.Connect(t, s, nats.UserInfo("u", "p"))
}

func TestServerEndsWithTest(t *testing.T) {
	t.Parallel()
	var s *server.Server
	var nc *nats.Conn
	t.Run("user", func(t *testing.T) {
		s = natstest.Run(t)
		nc = natstest.Connect(t, s)
	})
	if s.Running() {
		t.Error("the server still runs after its test")
	}
	if !nc.IsClosed() {
		t.Error("the connection is still open after its test")
	}
}
