package hostservice_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/internal/hostapi"
	"github.com/nex-engine/nex/internal/hostservice"
)

func TestUnknownAndMalformed(t *testing.T) {
	r := newRig(t)
	refused(t, r.Desk, "mail", "send", nil, "", hostapi.CodeInvalid, `"mail"`, "messaging")
	refused(t, r.Desk, "", "", nil, "", hostapi.CodeInvalid)
	refused(t, r.Desk, "kv get", "", nil, "", hostapi.CodeInvalid)
	refused(t, r.Desk, "kv", "put", nil, "", hostapi.CodeInvalid, `"put"`, "get, set, delete, keys")
	for service, methods := range hostapi.Methods {
		for _, method := range methods {
			if service == hostapi.KV && method == "keys" || service == hostapi.ObjectStore && method == "list" {
				continue
			}
			for _, meta := range []string{"", "{", "[]", "1", `"x"`, `{"no_such_field":1}`, "{} {}", `{"key":1,"name":1,"subject":1,"url":1}`} {
				refused(t, r.Desk, service, method, meta, "", hostapi.CodeInvalid, "malformed metadata", service, method)
			}
		}
	}
}

// Each method of the vocabulary is there, and says so when its service is switched off.
func TestSwitchedOff(t *testing.T) {
	r := newRig(t, func(c *hostservice.Config) {
		s := &c.Services
		s.HTTP.Enabled, s.KV.Enabled, s.Messaging.Enabled, s.ObjectStore.Enabled = false, false, false, false
	})
	for service, methods := range hostapi.Methods {
		for _, method := range methods {
			refused(t, r.Desk, service, method, "{}", "", hostapi.CodeDenied, "host_services.services."+service+".enabled")
		}
	}
}

func TestDeskConfig(t *testing.T) {
	r := newRig(t)
	services := openServices(t)
	for _, c := range []hostservice.DeskConfig{
		{Namespace: "a", Workload: "b", ID: "W1", MaxConcurrency: 1},
		{NATS: r.nc, Namespace: "a", Workload: "b", ID: "W1"},
		{NATS: r.nc, Namespace: "a.b", Workload: "b", ID: "W1", MaxConcurrency: 1},
		{NATS: r.nc, Namespace: "a", ID: "W1", MaxConcurrency: 1},
	} {
		if d, err := services.Desk(c); err == nil {
			d.Close()
			t.Errorf("a desk of %+v", c)
		}
	}
}

func TestBusy(t *testing.T) {
	r := newRig(t)
	services := openServices(t)
	d, err := services.Desk(hostservice.DeskConfig{NATS: r.nc, Namespace: "ns", Workload: "w", ID: "W1", MaxConcurrency: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	arrived := make(chan *nats.Msg, 2)
	r.serve(t, "wait", func(m *nats.Msg) { arrived <- m })
	done := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := call(t.Context(), d, "messaging", "request", `{"subject":"wait","timeout_ms":20000}`, "")
			done <- err
		}()
	}
	first, second := <-arrived, <-arrived
	refused(t, d, "messaging", "publish", subject("a"), "", hostapi.CodeBusy, "2", "ns/w")
	must(t, r.Desk, "messaging", "publish", subject("a"), "") // another workload
	for _, m := range []*nats.Msg{first, second} {
		if err := m.Respond(nil); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	// An answer frees its slot a moment after it is had.
	for {
		_, err := call(t.Context(), d, "messaging", "publish", subject("a"), "")
		if err == nil {
			break
		}
		wantError(t, err, hostapi.CodeBusy)
	}
}

func TestCloseStopsWhatIsUnderWay(t *testing.T) {
	r := newRig(t)
	arrived := make(chan struct{}, 1)
	r.serve(t, "wait", func(*nats.Msg) { arrived <- struct{}{} })
	done := make(chan error, 1)
	go func() {
		_, err := call(t.Context(), r.Desk, "messaging", "request", `{"subject":"wait","timeout_ms":20000}`, "")
		done <- err
	}()
	<-arrived
	start := time.Now()
	r.Close()
	wantError(t, <-done, hostapi.CodeUnavailable)
	if d := time.Since(start); d > enough/2 {
		t.Errorf("close took %v", d)
	}
	refused(t, r.Desk, "kv", "keys", nil, "", hostapi.CodeUnavailable, "stopped")
	r.Close()
}

func TestCancelledCall(t *testing.T) {
	r := newRig(t)
	ctx, cancel := context.WithCancel(t.Context())
	r.serve(t, "wait", func(*nats.Msg) { cancel() })
	_, err := call(ctx, r.Desk, "messaging", "request", `{"subject":"wait","timeout_ms":20000}`, "")
	wantError(t, err, hostapi.CodeUnavailable)
	for _, m := range []string{"keys", "get"} {
		_, err = call(ctx, r.Desk, "kv", m, key("k"), "")
		wantError(t, err, hostapi.CodeUnavailable, "ended")
	}
}

// A server that takes nothing any more holds up writers for a minute; a request it does not.
func TestServerThatIsStuck(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		t.Cleanup(func() { _ = c.Close() })
		_, _ = fmt.Fprintf(c, "INFO {\"server_id\":\"x\",\"version\":\"2.12.0\",\"headers\":true,\"max_payload\":%d}\r\n", 8<<20)
		for lines := bufio.NewReader(c); ; {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			if strings.HasPrefix(line, "PING") {
				_, _ = fmt.Fprint(c, "PONG\r\n")
				return // and reads no more
			}
		}
	}()
	nc, err := nats.Connect("nats://"+l.Addr().String(), nats.FlusherTimeout(2*time.Second), nats.NoReconnect())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	services := openServices(t)
	d, err := services.Desk(hostservice.DeskConfig{NATS: nc, Namespace: "ns", Workload: "w", ID: "W1", MaxConcurrency: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	payload := strings.Repeat("x", 4<<20)
	for range 100 {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		start := time.Now()
		_, err := call(ctx, d, "messaging", "publish", subject("a"), payload)
		took := time.Since(start)
		cancel()
		if took > time.Second {
			t.Fatalf("a request with 200 ms took %v", took)
		}
		if err != nil {
			wantError(t, err, hostapi.CodeTimeout)
			return
		}
	}
	t.Fatal("the server took everything: nothing was tested")
}
