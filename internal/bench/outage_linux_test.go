package bench_test

import (
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/client"
)

// outage is for how long there is no NATS server: until a node has come to its longest pauses between
// attempts to reach it.
const outage = 3 * time.Second

// BenchmarkOutage kills the NATS server of a node and starts it again after a while. It counts from the
// start of the server's process until the server listens, and until the node answers a ping.
func BenchmarkOutage(b *testing.B) {
	const rounds = 7
	s := startServer(b)
	r := startNodeOf(b, s)
	var listens, found []time.Duration
	for range rounds {
		s.process.Kill()
		time.Sleep(outage)
		began := time.Now()
		s.start()
		nc := s.connect()
		listens = append(listens, time.Since(began))
		r.awaitPing(nc)
		found = append(found, time.Since(began))
		nc.Close()
	}
	told(b)
	median(b, "listens", listens)
	median(b, "found", found)
	b.ReportMetric(millis(slices.Max(found)), "found-max-ms")
}

// connect connects to a server that is being started.
func (s *server) connect() *nats.Conn {
	s.b.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		nc, err := nats.Connect(s.url())
		if err == nil {
			return nc
		}
		if time.Now().After(deadline) {
			s.b.Fatalf("%v\n%s", err, s.process.Log())
		}
	}
}

// awaitPing waits until the node answers on a connection.
func (r *rig) awaitPing(nc *nats.Conn) {
	r.b.Helper()
	c := client.New(nc, client.Config{Timeout: time.Second})
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		_, err := c.Ping(r.b.Context(), r.node.NodeID)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			r.b.Fatalf("the node is not found again: %v\n%s", err, r.up.Log())
		}
	}
}
