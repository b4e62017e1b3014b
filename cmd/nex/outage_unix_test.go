//go:build unix

package main_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
	"github.com/nex-engine/nex/internal/natstest"
	"github.com/nex-engine/nex/internal/nextest"
)

// TestOutage takes the NATS server away from a node whose workload goes on printing lines, twice: the
// node is found again two seconds after the server is there, the workload has noticed nothing, and of its
// lines none from the time of the outage is missing and none is there twice in a stream that takes them.
func TestOutage(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	s := natstest.Run(t, func(o *server.Options) { o.StoreDir = store })
	port := s.Addr().(*net.TCPAddr).Port
	r := &rolling{T: t, url: s.ClientURL(), nodes: []*member{{dir: t.TempDir()}}}
	r.nc = natstest.Connect(t, s, nats.MaxReconnects(-1), nats.ReconnectWait(5*time.Millisecond))
	r.client = client.New(r.nc, client.Config{Timeout: nextest.Patience})
	m := r.nodes[0]
	r.start(m)
	lines := r.keepLines()
	program, err := os.Open(filepath.Join(binDir, "testprog"))
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	r.deploy(client.Deployment{Name: "ticker", Type: nex.TypeNative, Argv: []string{"tick", "2ms"}}, program)
	before := r.machine(m)

	for range outages {
		r.awaitMore(lines, 200)
		s.Shutdown()
		s.WaitForShutdown()
		time.Sleep(1500 * time.Millisecond) // the outage
		s = natstest.Run(t, func(o *server.Options) { o.Port, o.StoreDir = port, store })
		r.foundAgain(m)
	}
	last := r.awaitMore(lines, 200)
	if after := r.machine(m); after.ID != before.ID || after.Restarts != 0 || after.State != nex.StateRunning {
		t.Errorf("the workload was %+v and is %+v", before, after)
	}
	seen := r.read(lines, last)
	if !slices.IsSorted(seen) || len(slices.Compact(slices.Clone(seen))) != len(seen) {
		t.Errorf("lines are twice in the stream, or not in order: %v", seen)
	}
	// A server that shuts down drops what it has taken in for a stream and not stored; an outage is far more
	// lines long.
	missing := seen[len(seen)-1] - uint64(len(seen))
	if missing > mostDropped*outages {
		t.Errorf("%d lines up to %d are in the stream: %d are missing", len(seen), seen[len(seen)-1], missing)
	}
	t.Logf("%d lines, of which the server has dropped %d", len(seen), missing)
}

const (
	outages = 2
	// mostDropped is how many lines a server may drop when it shuts down.
	mostDropped = 100
)

func (r *rolling) machine(m *member) nex.MachineInfo {
	r.Helper()
	info, err := r.client.Info(r.Context(), m.Ready.NodeID)
	if err != nil || len(info.Machines) != 1 {
		r.Fatalf("node info: %+v, %v, want one workload", info, err)
	}
	return info.Machines[0]
}

// foundAgain checks that the node answers soon after the server is there.
func (r *rolling) foundAgain(m *member) {
	r.Helper()
	began := time.Now()
	nextest.Await(r, "the node answers", func() bool {
		ctx, cancel := context.WithTimeout(r.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := r.client.Ping(ctx, m.Ready.NodeID)
		return err == nil
	})
	most := 2 * time.Second
	if nextest.Race {
		most *= 3
	}
	took := time.Since(began)
	if took > most {
		r.Errorf("the node was found again after %s, want %s", took, most)
	}
	r.Logf("the node was found again after %s", took)
}

// keepLines makes a stream of the lines of workloads.
func (r *rolling) keepLines() jetstream.Stream {
	r.Helper()
	js, err := jetstream.New(r.nc)
	if err != nil {
		r.Fatal(err)
	}
	stream, err := js.CreateStream(r.Context(), jetstream.StreamConfig{Name: "LINES", Subjects: []string{"$NEX.logs.default.>"}})
	if err != nil {
		r.Fatal(err)
	}
	return stream
}

// awaitMore waits until the stream has so many lines more, and returns the sequence number of the last.
func (r *rolling) awaitMore(stream jetstream.Stream, more uint64) uint64 {
	r.Helper()
	var first, last uint64
	nextest.Await(r, "lines come", func() bool {
		info, err := stream.Info(r.Context())
		if err != nil {
			return false
		}
		last = info.State.LastSeq
		if first == 0 {
			first = last
		}
		return first > 0 && last >= first+more
	})
	return last
}

// read returns the numbers of the lines in the stream.
func (r *rolling) read(stream jetstream.Stream, last uint64) []uint64 {
	r.Helper()
	var numbers []uint64
	for seq := uint64(1); seq <= last; seq++ {
		msg, err := stream.GetMsg(r.Context(), seq)
		if err != nil {
			r.Fatal(err)
		}
		line, err := nex.DecodeLogRecord(msg.Data)
		if err != nil {
			r.Fatal(err)
		}
		if line.Stream == nex.StreamStdout {
			numbers = append(numbers, line.Seq)
		}
	}
	return numbers
}
