package control_test

import (
	"regexp"
	"sync"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/control"
)

// event makes an event plain: its id and time differ from run to run.
func (r *rig) event(body []byte) string {
	r.t.Helper()
	text := regexp.MustCompile(`"id":"[A-Za-z0-9]{22}","source"`).ReplaceAllString(r.plain(body), `"id":"EVENT","source"`)
	return regexp.MustCompile(`"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"`).ReplaceAllString(text, `"time":"TIME"`)
}

func TestHeartbeat(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(r *rig) { r.config.Heartbeat, r.work.list = time.Millisecond, twoNamespaces() })
	beats := r.subscribe("$NEX.events.>")
	const want = `{"specversion":"1.0","id":"EVENT","source":"NODE","type":"heartbeat","time":"TIME","datacontenttype":"application/json",` +
		`"namespace":"system","data":{"version":"VERSION","node_id":"NODE","nexus":"test","uptime":"8m47s",` +
		`"tags":{"nex.lameduck":"false","zone":"a"},"running_machines":3}}`
	for range 2 {
		msg := next(t, beats)
		if msg.Subject != "$NEX.events.system.heartbeat" {
			t.Errorf("subject = %s", msg.Subject)
		}
		if got := r.event(msg.Data); got != want {
			t.Errorf("event\n got %s\nwant %s", got, want)
		}
	}
}

func TestHeartbeatInterval(t *testing.T) {
	t.Parallel()
	if nex.HeartbeatInterval != 30*time.Second {
		t.Errorf("interval = %s: clients count on 30 s", nex.HeartbeatInterval)
	}
}

// However often and at whatever time a node is told, it enters lame duck mode once.
func TestLameDuckOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	events := r.subscribe("$NEX.events.>")
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			r.wantReply(r.ask("$NEX.LAMEDUCK."+r.node, "{}"),
				`{"type":"io.nats.nex.v1.lameduck_response","data":{"node_id":"NODE","success":true},"error":null}`)
		})
	}
	group.Wait()
	if r.service.EnterLameDuck() {
		t.Error("EnterLameDuck says that it was the first")
	}
	r.config.Publisher.Event("end", nex.EventNodeStopped, nex.NodeStopped{})
	msg := next(t, events)
	const want = `{"specversion":"1.0","id":"EVENT","source":"NODE","type":"node_entered_lameduck","time":"TIME","datacontenttype":"application/json",` +
		`"namespace":"system","data":{"version":"VERSION","id":"NODE"}}`
	if got := r.event(msg.Data); msg.Subject != "$NEX.events.system.node_entered_lameduck" || got != want {
		t.Errorf("event on %s\n got %s\nwant %s", msg.Subject, got, want)
	}
	if msg := next(t, events); msg.Subject != "$NEX.events.end.node_stopped" {
		t.Errorf("another event: %s on %s", msg.Data, msg.Subject)
	}
	if got := r.service.Tags()[nex.TagLameDuck]; got != "true" {
		t.Errorf("tag %s = %s, want true", nex.TagLameDuck, got)
	}
}

func TestEnterLameDuckFirst(t *testing.T) {
	t.Parallel()
	if r := newRig(t); !r.service.EnterLameDuck() || r.service.EnterLameDuck() {
		t.Error("EnterLameDuck was not true first and false then")
	}
}

func TestPublishedEvents(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	events := r.subscribe("$NEX.events.>")
	p := r.config.Publisher
	p.Event(namespace, nex.EventWorkloadDeployed, nex.WorkloadDeployed{WorkloadName: "echo", ID: "w1"})
	p.Event(namespace, nex.EventWorkloadState, func() {}) // cannot be encoded
	p.Event("other", nex.EventWorkloadUndeployed, nex.WorkloadUndeployed{WorkloadName: "echo", Code: 3, Message: "gone", ID: "w1", Reason: "failed"})
	head := `{"specversion":"1.0","id":"EVENT","source":"NODE","type":"`
	for _, want := range []struct{ subject, body string }{
		{
			"$NEX.events.default.workload_deployed",
			head + `workload_deployed","time":"TIME","datacontenttype":"application/json","namespace":"default",` +
				`"data":{"workload_name":"echo","code":0,"id":"w1"}}`,
		},
		{
			"$NEX.events.other.workload_undeployed",
			head + `workload_undeployed","time":"TIME","datacontenttype":"application/json","namespace":"other",` +
				`"data":{"workload_name":"echo","code":3,"message":"gone","id":"w1","reason":"failed"}}`,
		},
	} {
		msg := next(t, events)
		if got := r.event(msg.Data); msg.Subject != want.subject || got != want.body {
			t.Errorf("event on %s\n got %s\nwant %s on %s", msg.Subject, got, want.body, want.subject)
		}
	}
	if log := r.log.String(); !regexp.MustCompile(`WARN msg="event was not published" type=workload_state`).MatchString(log) {
		t.Errorf("log has no word of the event that was not published:\n%s", log)
	}
}

func TestPublishedLogs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	lines := r.subscribe("$NEX.logs.>")
	p := r.config.Publisher
	at := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	p.Log(namespace, "echo", nex.LogRecord{Text: "hello", Level: 4, ID: "w1", Stream: nex.StreamStderr, Time: at, Seq: 7})
	p.NodeLog(nex.StreamStdout, nex.LogRecord{Text: "started", ID: r.node})
	for _, want := range []struct{ subject, body string }{
		{
			"$NEX.logs.default.NODE.echo.w1",
			`{"text":"hello","level":4,"id":"w1","stream":"stderr","time":"2026-05-06T07:08:09Z","seq":7}`,
		},
		{"$NEX.logs.system.NODE.stdout", `{"text":"started","level":0,"id":"NODE"}`},
	} {
		msg := next(t, lines)
		if subject, body := r.plain([]byte(msg.Subject)), r.plain(msg.Data); subject != want.subject || body != want.body {
			t.Errorf("line on %s: %s\nwant on %s: %s", subject, body, want.subject, want.body)
		}
	}
}

// A publisher outlives its connection: what it is told then is lost.
func TestPublishWithoutConnection(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p := control.NewPublisher(r.nc, r.node, r.config.Logger)
	t.Cleanup(p.Close)
	r.nc.Close()
	p.Log(namespace, "echo", nex.LogRecord{})
	p.NodeLog(nex.StreamStdout, nex.LogRecord{})
	if log := r.log.String(); log != "" {
		t.Errorf("a lost log line was logged:\n%s", log)
	}
	p.Event(namespace, nex.EventHeartbeat, nex.Heartbeat{})
	if log := r.log.String(); !regexp.MustCompile(`WARN msg="event was not published"`).MatchString(log) {
		t.Errorf("log has no word of the lost event:\n%s", log)
	}
}
