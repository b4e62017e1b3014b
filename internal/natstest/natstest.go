// Package natstest runs a NATS server with JetStream inside the test process.
//
// Every server listens on 127.0.0.1 on a port of its own and keeps its streams in a directory of
// its own, so that tests can run in parallel. What it starts ends with the test.
package natstest

import (
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// readyWithin bounds how long a server may take to accept connections.
const readyWithin = 20 * time.Second

// Run starts a server and returns it once it accepts connections. JetStream is on, with its store
// in t.TempDir. Each edit may change the options before the server starts; to run one without
// JetStream set JetStream to false. The server has ended when the test's cleanup is over; a test
// may shut it down earlier.
func Run(t testing.TB, edit ...func(*server.Options)) *server.Server {
	t.Helper()
	opts := &server.Options{
		Host:      "127.0.0.1",
		Port:      server.RANDOM_PORT,
		JetStream: true,
		StoreDir:  t.TempDir(),
		NoSigs:    true,
		NoLog:     true,
	}
	for _, e := range edit {
		e(opts)
	}
	s, err := server.NewServer(opts)
	if err != nil {
		t.Fatalf("make NATS server: %v", err)
	}
	// Registered after TempDir, so it runs first: the store is closed before it is removed.
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	go s.Start() // returns when the server listens; WaitForShutdown waits for the rest
	if !s.ReadyForConnections(readyWithin) {
		t.Fatalf("NATS server is not ready after %v", readyWithin)
	}
	return s
}

// Connect connects to a server that [Run] started. The connection is closed when the test ends.
func Connect(t testing.TB, s *server.Server, opts ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(s.ClientURL(), opts...)
	if err != nil {
		t.Fatalf("connect to NATS server: %v", err)
	}
	t.Cleanup(nc.Close)
	return nc
}
