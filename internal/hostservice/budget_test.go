package hostservice_test

import (
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/internal/hostapi"
	"github.com/nex-engine/nex/internal/hostservice"
	"github.com/nex-engine/nex/internal/nextest"
)

// A web server that accepts and then says nothing keeps connections no longer than a call may take, also
// while TLS is being set up, which goes on when the call has ended.
func TestSilentWebServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	var open, accepted atomic.Int32
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Add(1)
			accepted.Add(1)
			go func() {
				defer open.Add(-1)
				defer func() { _ = c.Close() }()
				var b [1 << 10]byte
				for err == nil {
					_, err = c.Read(b[:]) // until the node leaves
				}
			}()
		}
	}()
	d := webDesk(t, func(c *hostservice.Config) { c.Services.HTTP.Config.TimeoutMs = 300 })
	for range 10 {
		_, err := call(t.Context(), d, "http", "request", hostapi.HTTPRequest{URL: "https://" + l.Addr().String() + "/", TimeoutMs: 20}, "")
		wantError(t, err, hostapi.CodeTimeout)
	}
	nextest.Await(t, "all connections are given up", func() bool { return accepted.Load() > 0 && open.Load() == 0 })
}

// However many large answers a workload asks for, few are in the node's memory at one time: the others
// wait, and all come.
func TestLargeAnswersTakeTurns(t *testing.T) {
	r := newRig(t)
	var waiting, most atomic.Int32
	payload := []byte(strings.Repeat("x", 1<<10))
	if _, err := r.nc.Subscribe("slow", func(m *nats.Msg) {
		now := waiting.Add(1)
		for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
		}
		time.AfterFunc(20*time.Millisecond, func() { // plays a service that takes its time
			waiting.Add(-1)
			_ = m.Respond(payload)
		})
	}); err != nil {
		t.Fatal(err)
	}
	if err := r.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			_, err := call(t.Context(), r.Desk, "messaging", "request_many",
				hostapi.RequestManyRequest{MessageRequest: hostapi.MessageRequest{Subject: "slow", TimeoutMs: 10_000}, MaxMessages: 1}, "")
			if err != nil {
				t.Errorf("request_many: %v", err)
			}
		})
	}
	group.Wait()
	if got := most.Load(); got > 8 || got < 2 {
		t.Errorf("%d requests for up to 8 MiB each were under way at one time, want 2 to 8", got)
	}
}
