package trigger_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/natstest"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/trigger"
)

func TestCall(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var got agentlink.Trigger
	r.attached(t, agentFunc(func(c agentlink.Trigger, done func(agentlink.Answer)) {
		got = c
		got.Payload = slices.Clone(c.Payload)
		done(agentlink.Answer{Header: map[string][]string{"Answer": {"1", "2"}}, Payload: []byte{0, 255}})
	}), func(c *trigger.Config) { c.Subjects, c.Timeout = []string{"other", "calc.*"}, time.Minute })
	m, err := r.client.RequestMsg(&nats.Msg{Subject: "calc.add", Header: nats.Header{"Ask": {"a", "b"}}, Data: []byte{0, 1, 255}}, nextest.Patience)
	if err != nil {
		t.Fatal(err)
	}
	if got.Subject != "calc.add" || got.Timeout != time.Minute || got.ID == "" || !bytes.Equal(got.Payload, []byte{0, 1, 255}) || !slices.Equal(got.Header["Ask"], []string{"a", "b"}) {
		t.Errorf("the agent was called with %+v", got)
	}
	if !bytes.Equal(m.Data, []byte{0, 255}) || !slices.Equal(m.Header["Answer"], []string{"1", "2"}) || m.Header.Get("Nats-Service-Error") != "" {
		t.Errorf("answer = %q with %v", m.Data, m.Header)
	}
}

func TestFailedCall(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	f := r.attached(t, agentFunc(func(_ agentlink.Trigger, done func(agentlink.Answer)) {
		done(agentlink.Answer{Status: 404, Message: "no such\r\nthing: ü"})
	}))
	m := r.request(t, "js.echo", "")
	if got := m.Header.Get("Nats-Service-Error-Code"); got != "404" {
		t.Errorf("code = %q, want 404", got)
	}
	if got := m.Header.Get("Nats-Service-Error"); got != "no such  thing: ü" {
		t.Errorf("error = %q", got)
	}
	if string(m.Data) != "no such  thing: ü" {
		t.Errorf("text = %q", m.Data)
	}
	if s := f.Stats(); s.Total != 1 || s.Errors != 1 || s.Refused != 0 {
		t.Errorf("stats = %+v", s)
	}
}

// A message that asks for no answer gets none, and is a call all the same.
func TestNoReply(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	f := r.attached(t, echo)
	inbox := make(chan *nats.Msg, 10)
	if _, err := r.client.ChanSubscribe(">", inbox); err != nil {
		t.Fatal(err)
	}
	if err := r.client.Publish("js.echo", []byte("x")); err != nil {
		t.Fatal(err)
	}
	nextest.Await(t, "the call is counted", func() bool { return f.Stats().Total == 1 })
	r.request(t, "js.echo", "y") // comes after what the first may have caused
	for len(inbox) > 0 {
		if m := <-inbox; string(m.Data) == "x" && m.Subject != "js.echo" {
			t.Errorf("somebody was answered on %s", m.Subject)
		}
	}
}

func TestTooManyCalls(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	h := newHolder()
	f := r.attached(t, h, func(c *trigger.Config) { c.MaxCalls = 2 })
	answers := make(chan *nats.Msg, 10)
	if _, err := r.client.ChanSubscribe("answers", answers); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := r.client.PublishRequest("js.echo", "answers", nil); err != nil {
			t.Fatal(err)
		}
	}
	if m := receive(t, answers); m.Header.Get("Nats-Service-Error-Code") != "503" || !strings.Contains(string(m.Data), "2 calls under way") {
		t.Errorf("the first answer is %q with %v, want the refusal of the third call", m.Data, m.Header)
	}
	if s := f.Stats(); s.InFlight != 2 || s.Refused != 1 || s.Errors != 1 || s.Total != 1 {
		t.Errorf("stats = %+v", s)
	}
	for range 2 {
		(<-h.calls)(agentlink.Answer{Payload: []byte("ok")})
		if m := receive(t, answers); string(m.Data) != "ok" {
			t.Errorf("answer = %q", m.Data)
		}
	}
	if s := f.Stats(); s.InFlight != 0 || s.Total != 3 {
		t.Errorf("stats = %+v", s)
	}
}

func receive(t *testing.T, c <-chan *nats.Msg) *nats.Msg {
	t.Helper()
	select {
	case m := <-c:
		return m
	case <-time.After(nextest.Patience):
		t.Fatal("no answer")
		return nil
	}
}

// Payloads and headers count together.
func TestTooManyBytes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	h := newHolder()
	r.attached(t, h, func(c *trigger.Config) { c.MaxBytes = 400 })
	large := &nats.Msg{Subject: "js.echo", Header: nats.Header{"A": {strings.Repeat("a", 100)}}, Data: make([]byte, 100)}
	if err := r.client.PublishMsg(large); err != nil {
		t.Fatal(err)
	}
	done := <-h.calls
	refused, err := r.client.RequestMsg(large, nextest.Patience)
	if err != nil || refused.Header.Get("Nats-Service-Error-Code") != "503" {
		t.Fatalf("answer = %+v, %v, want code 503", refused, err)
	}
	done(agentlink.Answer{})
	go func() { (<-h.calls)(agentlink.Answer{Payload: []byte("ok")}) }()
	nextest.Await(t, "the place is free", func() bool {
		m, err := r.client.RequestMsg(large, nextest.Patience)
		return err == nil && string(m.Data) == "ok"
	})
}

// A caller cannot have the node publish where the caller may not: into buckets, or to nodes.
func TestReservedReply(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.attached(t, echo)
	r.request(t, "js.echo", "") // then it is a service as well
	heard := make(chan *nats.Msg, 10)
	for _, subject := range []string{"$KV.>", "$NEX.>"} {
		if _, err := r.client.ChanSubscribe(subject, heard); err != nil {
			t.Fatal(err)
		}
	}
	for _, reply := range []string{"$KV.nex-default_-victim.key", "$NEX.LAMEDUCK.N"} {
		for _, subject := range []string{"js.echo", "$SRV.PING", "$SRV.INFO.echo", "$SRV.STATS.echo"} {
			if err := r.client.PublishRequest(subject, reply, []byte(reply)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, subject := range []string{"js.echo", "$SRV.PING", "$SRV.INFO.echo", "$SRV.STATS.echo"} {
		r.request(t, subject, "") // is answered after them
	}
	for len(heard) > 0 {
		t.Errorf("the node answered on %s", (<-heard).Subject)
	}
}

// A NATS server that takes nothing holds up neither whoever brings answers nor the node's memory.
func TestServerThatTakesNothing(t *testing.T) {
	t.Parallel()
	stalled, node, client := stallable(t)
	r := &rig{node: node, client: client, events: &events{}, services: trigger.NewServices(node)}
	const calls = 40
	result := make([]byte, 4<<20)
	brought := make(chan struct{}, calls)
	r.attached(t, agentFunc(func(_ agentlink.Trigger, done func(agentlink.Answer)) {
		done(agentlink.Answer{Payload: result})
		brought <- struct{}{}
	}), func(c *trigger.Config) { c.MaxCalls = calls })
	answers := make(chan *nats.Msg, calls)
	if _, err := client.ChanSubscribe("answers", answers); err != nil {
		t.Fatal(err)
	}
	for range calls {
		if err := client.PublishRequest("js.echo", "answers", nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.Flush(); err != nil {
		t.Fatal(err)
	}
	stalled(true)
	for range calls {
		select {
		case <-brought:
		case <-time.After(nextest.Patience):
			t.Fatal("whoever brings answers is held up")
		}
	}
	stalled(false)
	var results, refused int
	for range calls {
		if m := receive(t, answers); len(m.Data) == len(result) {
			results++
		} else if m.Header.Get("Nats-Service-Error-Code") == "503" {
			refused++
		}
	}
	if results == 0 || results+refused != calls {
		t.Errorf("%d results and %d refusals for %d calls", results, refused, calls)
	}
}

// What is too large for the function or for the caller's server is told to the caller.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t, func(o *server.Options) { o.MaxPayload = 16 << 20 })
	r := &rig{server: s, node: natstest.Connect(t, s), client: natstest.Connect(t, s), events: &events{}}
	r.services = trigger.NewServices(r.node)
	r.attached(t, agentFunc(func(_ agentlink.Trigger, done func(agentlink.Answer)) {
		done(agentlink.Answer{Payload: make([]byte, 17<<20)})
	}))
	if got := r.services.MaxPayload(); got != 16<<20 {
		t.Errorf("MaxPayload = %d", got)
	}
	if m := r.request(t, "js.echo", strings.Repeat("x", agentlink.MaxPayloadBytes+1)); m.Header.Get("Nats-Service-Error-Code") != "413" || !strings.Contains(string(m.Data), "message has") {
		t.Errorf("large payload: %.100q with %v", m.Data, m.Header)
	}
	if m := r.request(t, "js.echo", ""); m.Header.Get("Nats-Service-Error-Code") != "413" || !strings.Contains(string(m.Data), "result") {
		t.Errorf("large result: %.100q with %v", m.Data, m.Header)
	}
}

// Of several nodes one runs a call; functions of other names and namespaces get their own.
func TestQueueGroup(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a, b := r.attached(t, echo), r.attached(t, echo, func(c *trigger.Config) { c.ID = "W2" })
	other := r.attached(t, echo, func(c *trigger.Config) { c.ID, c.Namespace = "W3", "sample" })
	const calls = 200
	for i := range calls {
		if got := string(r.request(t, "js.echo", fmt.Sprint(i)).Data); got != fmt.Sprint(i) {
			t.Errorf("answer %d = %q", i, got)
		}
	}
	nextest.Await(t, "all calls are counted", func() bool {
		return a.Stats().Total+b.Stats().Total == calls && other.Stats().Total == calls
	})
	if a.Stats().Total == 0 || b.Stats().Total == 0 {
		t.Errorf("%d and %d calls: the load is not shared", a.Stats().Total, b.Stats().Total)
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	f := r.attached(t, agentFunc(func(_ agentlink.Trigger, done func(agentlink.Answer)) {
		time.AfterFunc(20*time.Millisecond, func() { done(agentlink.Answer{}) }) // plays a slow function
	}))
	if s := f.Stats(); s != (nex.CallStats{}) {
		t.Errorf("stats before the first call = %+v", s)
	}
	for range 10 {
		r.request(t, "js.echo", "")
	}
	f.Memory(1 << 20)
	s := f.Stats()
	for _, q := range []int64{s.P50Nanos, s.P99Nanos} {
		if d := time.Duration(q); d < 18*time.Millisecond || d > nextest.Patience {
			t.Errorf("quantile = %s", d)
		}
	}
	if s.P99Nanos < s.P50Nanos || s.Total != 10 || s.MemoryBytes != 1<<20 {
		t.Errorf("stats = %+v", s)
	}
}
