package hostservice_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/hostapi"
	"github.com/nex-engine/nex/internal/hostservice"
	"github.com/nex-engine/nex/internal/natstest"
)

// serve answers on a subject until the test ends.
func (r *rig) serve(t testing.TB, subject string, f nats.MsgHandler) {
	t.Helper()
	if _, err := r.nc.Subscribe(subject, f); err != nil {
		t.Fatal(err)
	}
	if err := r.nc.Flush(); err != nil {
		t.Fatal(err)
	}
}

func TestPublish(t *testing.T) {
	r := newRig(t)
	sub, err := r.nc.SubscribeSync("orders.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	headers := map[string][]string{"X-One": {"1"}, "x-two": {"a", "b"}}
	res := must(t, r.Desk, "messaging", "publish", hostapi.MessageRequest{Subject: "orders.new", Headers: headers}, "\x00payload")
	if len(res.Meta) != 0 || len(res.Body) != 0 {
		t.Errorf("publish answers %q, %q", res.Meta, res.Body)
	}
	m, err := sub.NextMsg(enough)
	if err != nil {
		t.Fatal(err)
	}
	if string(m.Data) != "\x00payload" || fmt.Sprint(m.Header) != fmt.Sprint(headers) || m.Reply != "" {
		t.Errorf("message %q with %v", m.Data, m.Header)
	}
}

func TestRequest(t *testing.T) {
	r := newRig(t)
	r.serve(t, "double", func(m *nats.Msg) {
		answer := nats.NewMsg(m.Reply)
		answer.Data = append(m.Data, m.Data...)
		answer.Header = nats.Header{"X-Seen": m.Header["X-In"], "Nats-Service-Error": {"odd"}, "Nats-Service-Error-Code": {"500"}}
		_ = m.RespondMsg(answer)
	})
	res := must(t, r.Desk, "messaging", "request", hostapi.MessageRequest{Subject: "double", Headers: map[string][]string{"X-In": {"1", "2"}}}, "ab")
	got := answer[hostapi.MessageResponse](t, res)
	want := map[string][]string{"X-Seen": {"1", "2"}, "Nats-Service-Error": {"odd"}, "Nats-Service-Error-Code": {"500"}}
	if string(res.Body) != "abab" || got.Subject == "" || !maps.EqualFunc(got.Headers, want, func(a, b []string) bool { return fmt.Sprint(a) == fmt.Sprint(b) }) {
		t.Errorf("answer %q, %+v", res.Body, got)
	}
	start := time.Now()
	refused(t, r.Desk, "messaging", "request", subject("nobody.here"), "", hostapi.CodeNoResponders, `"nobody.here"`)
	refused(t, r.Desk, "messaging", "request_many", subject("nobody.here"), "", hostapi.CodeNoResponders, `"nobody.here"`)
	if d := time.Since(start); d > 700*time.Millisecond {
		t.Errorf("that nobody listens took %v to find out", d)
	}
}

func TestRequestTimeouts(t *testing.T) {
	r := newRig(t, func(c *hostservice.Config) { c.Services.Messaging.Config.RequestTimeoutMs = 50 })
	r.serve(t, "slow", func(m *nats.Msg) {
		time.AfterFunc(200*time.Millisecond, func() { _ = m.Respond([]byte("late")) })
	})
	refused(t, r.Desk, "messaging", "request", subject("slow"), "", hostapi.CodeTimeout, `"slow"`, "allow more time")
	if res := must(t, r.Desk, "messaging", "request", hostapi.MessageRequest{Subject: "slow", TimeoutMs: 10_000}, ""); string(res.Body) != "late" {
		t.Errorf("answer %q", res.Body)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := call(ctx, r.Desk, "messaging", "request", `{"subject":"slow","timeout_ms":1000000000}`, "")
	wantError(t, err, hostapi.CodeTimeout)
	if ctx.Err() != nil {
		t.Error("the answer came after the deadline: the function has no time to look at it")
	}
	refused(t, r.Desk, "messaging", "request", hostapi.MessageRequest{Subject: "slow", TimeoutMs: -1}, "", hostapi.CodeInvalid, "the timeout is -1 ms")
}

func TestMessagesRefused(t *testing.T) {
	services := func(c *hostservice.Config) { c.DenySubjects = []string{"secret.*.x", "admin.>"} }
	r := newRig(t, services)
	denied := []string{
		"$NEX.PING", "$SYS.REQ.SERVER.PING", "$JS.API.INFO", "$KV.other.k", "$O.other.C.x", "$SRV.PING", "_INBOX.abc", "_INBOX.a.b",
		"secret.1.x", "admin.a", "admin.a.b",
	}
	invalid := []string{
		"", " ", "a b", "a.*", "*", "a.>", ">", ".a", "a.", "a..b", "a\tb", "a\r\nPUB x 0", "a\x00", "a*b",
		strings.Repeat("a", 1025),
	}
	for _, method := range hostapi.Methods[hostapi.Messaging] {
		for _, s := range denied {
			refused(t, r.Desk, "messaging", method, subject(s), "", hostapi.CodeDenied, s)
		}
		for _, s := range invalid {
			refused(t, r.Desk, "messaging", method, subject(s), "", hostapi.CodeInvalid, "subject")
		}
		for n, v := range map[string]string{"": "v", "a b": "v", "a:b": "v", "a\r\nb": "v", "a": "v\r\nX-Other: 1", "b": "\x00"} {
			m := hostapi.MessageRequest{Subject: "a", Headers: map[string][]string{n: {v}}}
			refused(t, r.Desk, "messaging", method, m, "", hostapi.CodeInvalid, "header")
		}
		m := hostapi.MessageRequest{Subject: "a", Headers: map[string][]string{"nats-trace-dest": {"$NEX.PING"}}}
		refused(t, r.Desk, "messaging", method, m, "", hostapi.CodeDenied, "Nats-Trace-Dest")
		refused(t, r.Desk, "messaging", method, subject("a"), strings.Repeat("x", 1<<20+1), hostapi.CodeTooLarge, "1048576")
	}
	for _, s := range []string{"secret.1", "secret.1.y", "secret.1.x.y", "admin", "$NEXT.a", "NEX.a", "_INBOXES.a"} {
		must(t, r.Desk, "messaging", "publish", subject(s), "")
	}
}

// Every reserved subject is refused whatever stands for its wildcard.
func TestReservedSubjectsAreDenied(t *testing.T) {
	r := newRig(t)
	for _, s := range nex.ReservedSubjects {
		refused(t, r.Desk, "messaging", "publish", subject(strings.ReplaceAll(s, ">", "a")), "", hostapi.CodeDenied, s)
		refused(t, r.Desk, "messaging", "publish", subject(strings.ReplaceAll(s, ">", "a.b")), "", hostapi.CodeDenied, s)
	}
}

func TestInboxesOfTheConnectionAreDenied(t *testing.T) {
	s := natstest.Run(t)
	nc := natstest.Connect(t, s, nats.CustomInboxPrefix("_MINE.x"))
	d := deskOn(t, openServices(t), nc, "default", "counter")
	refused(t, d, "messaging", "publish", subject("_MINE.x.abc"), "", hostapi.CodeDenied, "_MINE.x.>")
	refused(t, d, "messaging", "publish", subject("_INBOX.abc"), "", hostapi.CodeDenied)
	must(t, d, "messaging", "publish", subject("_MINE.y"), "")
}

func TestDenySubjectsAreChecked(t *testing.T) {
	for _, s := range []string{"", "a..b", "a.>.b", "a b", "."} {
		if _, err := hostservice.Open(hostservice.Config{Services: allEnabled(), DenySubjects: []string{s}}); err == nil {
			t.Errorf("%q can be denied", s)
		}
	}
}

func TestRequestMany(t *testing.T) {
	r := newRig(t)
	r.serve(t, "many", func(m *nats.Msg) {
		for _, p := range []string{"one", "", "three"} {
			a := nats.NewMsg(m.Reply)
			a.Data, a.Header = []byte(p), nats.Header{"N": {p}}
			_ = m.RespondMsg(a)
		}
		_ = m.Respond(nil)
		_ = m.Respond([]byte("after"))
	})
	ask := func(v string) (hostapi.RequestManyResponse, string) {
		t.Helper()
		res := must(t, r.Desk, "messaging", "request_many", v, "")
		return answer[hostapi.RequestManyResponse](t, res), string(res.Body)
	}
	for v, want := range map[string]struct {
		n    int
		body string
	}{
		`{"subject":"many","sentinel":true}`:                    {3, "onethree"},
		`{"subject":"many","sentinel":true,"max_messages":2}`:   {2, "one"},
		`{"subject":"many","max_messages":1}`:                   {1, "one"},
		`{"subject":"many","max_messages":5}`:                   {5, "onethreeafter"},
		`{"subject":"many","stall_ms":100}`:                     {5, "onethreeafter"},
		`{"subject":"many","timeout_ms":100}`:                   {5, "onethreeafter"},
		`{"subject":"many","timeout_ms":100,"max_messages":99}`: {5, "onethreeafter"},
	} {
		got, body := ask(v)
		if len(got.Messages) != want.n || body != want.body {
			t.Errorf("%s: %d answers, %q", v, len(got.Messages), body)
			continue
		}
		sum := 0
		for _, m := range got.Messages {
			sum += m.Size
			if m.Subject == "" {
				t.Errorf("%s: an answer without a subject", v)
			}
		}
		if sum != len(body) || fmt.Sprint(got.Messages[0].Headers) != "map[N:[one]]" {
			t.Errorf("%s: %+v", v, got)
		}
	}
	r.serve(t, "silent", func(*nats.Msg) {})
	if res := must(t, r.Desk, "messaging", "request_many", `{"subject":"silent","timeout_ms":50}`, ""); string(res.Meta) != `{"messages":[]}` {
		t.Errorf("no answers = %s", res.Meta)
	}
	for _, v := range []string{`{"subject":"many","stall_ms":-1}`, `{"subject":"many","max_messages":-1}`, `{"subject":"many","timeout_ms":-1}`} {
		refused(t, r.Desk, "messaging", "request_many", v, "", hostapi.CodeInvalid, "negative")
	}
}

// The deadline of the call ends collecting like the request's own, and in time.
func TestRequestManyUntilDeadline(t *testing.T) {
	r := newRig(t)
	r.serve(t, "many", func(m *nats.Msg) { _ = m.Respond([]byte("x")) })
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	res, err := call(ctx, r.Desk, "messaging", "request_many", subject("many"), "")
	if err != nil || string(res.Body) != "x" || ctx.Err() != nil {
		t.Errorf("%q, %v, %v", res.Body, err, ctx.Err())
	}
}

func TestRequestManyFlood(t *testing.T) {
	for name, payload := range map[string]int{"of large answers": 1 << 20, "of empty answers": 0} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			stop := make(chan struct{})
			t.Cleanup(func() { close(stop) })
			r.serve(t, "flood", func(m *nats.Msg) {
				for m.Respond(make([]byte, payload)) == nil {
					select {
					case <-stop:
						return
					default:
					}
				}
			})
			_, err := call(t.Context(), r.Desk, "messaging", "request_many", `{"subject":"flood","timeout_ms":20000}`, "")
			wantError(t, err, hostapi.CodeTooLarge, "8388608", "ask for fewer")
		})
	}
}

func TestAnswerTooLarge(t *testing.T) {
	s := natstest.Run(t, func(o *server.Options) { o.MaxPayload = 16 << 20; o.MaxPending = 64 << 20 })
	r := &rig{Desk: newDesk(t, s, "default", "counter"), server: s, nc: natstest.Connect(t, s)}
	r.serve(t, "large", func(m *nats.Msg) { _ = m.Respond(make([]byte, hostapi.MaxMessageBytes)) })
	refused(t, r.Desk, "messaging", "request", `{"subject":"large","timeout_ms":10000}`, "", hostapi.CodeTooLarge, "8388608")
	refused(t, r.Desk, "messaging", "request_many", `{"subject":"large","timeout_ms":10000,"max_messages":1}`, "", hostapi.CodeTooLarge, "8388608")
	refused(t, r.Desk, "messaging", "publish", subject("large"), strings.Repeat("x", hostapi.MaxMessageBytes), hostapi.CodeTooLarge, "8388608")
	meta, err := json.Marshal(hostapi.MessageRequest{Subject: "large", Headers: map[string][]string{"A": {strings.Repeat("x", hostapi.MaxMessageBytes)}}})
	if err != nil {
		t.Fatal(err)
	}
	refused(t, r.Desk, "messaging", "publish", string(meta), "", hostapi.CodeTooLarge, "8388608")
}
