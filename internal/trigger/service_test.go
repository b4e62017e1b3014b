package trigger_test

import (
	"encoding/json"
	"net"
	"reflect"
	"strconv"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/trigger"
)

func portOf(t *testing.T, address string) int {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// ask asks the services and decodes the one answer.
func ask[T any](t *testing.T, r *rig, subject string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(r.request(t, subject, "").Data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// A function is a NATS micro service, as the library's own types read it.
func TestMicroService(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	f := r.attached(t, agentFunc(func(c agentlink.Trigger, done func(agentlink.Answer)) {
		if len(c.Payload) == 0 {
			done(agentlink.Answer{Status: 400, Message: "say something"})
			return
		}
		done(agentlink.Answer{})
	}), func(c *trigger.Config) { c.Subjects = []string{"calc.*", "calc.>", "js.echo"} })
	r.request(t, "js.echo", "x")
	r.request(t, "js.echo", "")
	nextest.Await(t, "the calls are counted", func() bool { return f.Stats().Total == 2 })

	identity := micro.ServiceIdentity{
		Name: "echo", ID: "W1", Version: "0.0.0+sha256.0123456789ab",
		Metadata: map[string]string{"namespace": "default", "id": "W1", "digest": "0123456789abcdef"},
	}
	for _, about := range []string{"", ".echo", ".echo.W1"} {
		if got, want := ask[micro.Ping](t, r, "$SRV.PING"+about), (micro.Ping{ServiceIdentity: identity, Type: micro.PingResponseType}); !reflect.DeepEqual(got, want) {
			t.Errorf("ping%s = %+v, want %+v", about, got, want)
		}
	}
	const queue = "nex.default.echo"
	want := micro.Info{
		ServiceIdentity: identity, Type: micro.InfoResponseType, Description: "says it again",
		Endpoints: []micro.EndpointInfo{
			{Name: "calc--", Subject: "calc.*", QueueGroup: queue},
			{Name: "calc---2", Subject: "calc.>", QueueGroup: queue},
			{Name: "js-echo", Subject: "js.echo", QueueGroup: queue},
		},
	}
	if got := ask[micro.Info](t, r, "$SRV.INFO.echo"); !reflect.DeepEqual(got, want) {
		t.Errorf("info = %+v\nwant %+v", got, want)
	}
	stats := ask[micro.Stats](t, r, "$SRV.STATS.echo.W1")
	if len(stats.Endpoints) != 3 || stats.Type != micro.StatsResponseType || stats.Started.IsZero() {
		t.Fatalf("stats = %+v", stats)
	}
	e := *stats.Endpoints[2]
	if e.NumRequests != 2 || e.NumErrors != 1 || e.LastError != "400:say something" || e.ProcessingTime <= 0 || e.AverageProcessingTime != e.ProcessingTime/2 {
		t.Errorf("stats of js.echo = %+v", e)
	}
}

func TestMicroServiceOfOthers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a := r.attached(t, echo)
	r.attached(t, echo, func(c *trigger.Config) { c.ID, c.Name = "W2", "other" })
	if got := ask[micro.Ping](t, r, "$SRV.PING.other").ID; got != "W2" {
		t.Errorf("the service other has id %s", got)
	}
	for _, subject := range []string{"$SRV.PING.nobody", "$SRV.PING.echo.W2", "$SRV.PING.echo.W1.x"} {
		inbox := nats.NewInbox()
		sub, err := r.client.SubscribeSync(inbox)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.client.PublishRequest(subject, inbox, nil); err != nil {
			t.Fatal(err)
		}
		r.request(t, "$SRV.PING.echo", "") // is answered after it
		if n, _, err := sub.Pending(); err != nil || n > 0 {
			t.Errorf("%s: %d answers, %v", subject, n, err)
		}
	}
	a.Detach(soon(t))
	if got := ask[micro.Ping](t, r, "$SRV.PING").ID; got != "W2" {
		t.Errorf("after the first is gone, %s answers", got)
	}
}
