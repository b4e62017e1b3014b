package natsforms_test

// This file is about clients of different servers that reach each other.

import (
	"strings"
	"sync/atomic"

	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/internal/nextest"
)

// finds waits until a node answers whoever is at the terminal: servers tell each other of it.
func (tt *terminal) finds(node *nextest.Process) {
	tt.t.Helper()
	nextest.Await(tt.t, "a node is found", func() bool {
		output, _, err := tt.finish(tt.command("nex", "node", "ls"))
		return err == nil && strings.Contains(output, node.Ready.NodeID)
	})
}

// across proves with the nats command line that messages of one server reach clients of another: publish, request,
// and a queue group with a member at each.
func across(near, far *terminal, below string) {
	near.t.Helper()
	sub := far.aside("nats", "sub", below+".news", "--count", "1")
	pub := near.aside("nats", "pub", below+".news", "good news", "--count", "100000", "--sleep", "20ms")
	far.await(sub, "nats sub")
	pub.Kill()
	if !strings.Contains(sub.Output(), "good news") {
		near.t.Errorf("nats sub has got %s", sub.Output())
	}
	far.aside("nats", "reply", below+".one", "from afar")
	near.answers(below+".one", "from afar")
	near.aside("nats", "reply", below+".group", "near", "--queue", "workers")
	near.answers(below+".group", "near")
	far.aside("nats", "reply", below+".group", "far", "--queue", "workers")
	far.answers(below+".group", "far")
	for range 10 {
		if output := near.ok("nats", "req", below+".group", "hello"); !strings.Contains(output, "near") && !strings.Contains(output, "far") {
			near.t.Errorf("a request to the group is answered with %s", output)
		}
	}
}

// acrossInGo is across with nats.go.
func acrossInGo(near, far *terminal, below string) {
	near.t.Helper()
	a, b := near.connect(), far.connect()
	got := make(chan struct{}, 1)
	_, err := b.Subscribe(below+".news", func(*nats.Msg) {
		select {
		case got <- struct{}{}:
		default:
		}
	})
	must(near.t, err, b.Flush())
	nextest.Await(near.t, "a message comes across", func() bool { return arrives(a, below+".news", got) })
	var answered [2]atomic.Int64
	for i, nc := range []*nats.Conn{a, b} {
		_, err := nc.QueueSubscribe(below+".work", "workers", func(m *nats.Msg) {
			answered[i].Add(1)
			_ = m.Respond(nil) // else the request fails
		})
		must(near.t, err, nc.Flush())
	}
	nextest.Await(near.t, "both members of the group answer", func() bool {
		for _, nc := range []*nats.Conn{a, b} {
			_, err := nc.Request(below+".work", nil, nextest.Patience)
			must(near.t, err)
		}
		return answered[0].Load() > 0 && answered[1].Load() > 0
	})
	before, requests := answered[0].Load()+answered[1].Load(), int64(40)
	for range requests {
		_, err := a.Request(below+".work", nil, nextest.Patience)
		must(near.t, err)
	}
	if n := answered[0].Load() + answered[1].Load() - before; n != requests {
		near.t.Errorf("of %d requests the group has answered %d", requests, n)
	}
}

// arrives publishes one message and reports whether it has come.
func arrives(nc *nats.Conn, subject string, got <-chan struct{}) bool {
	if nc.Publish(subject, nil) != nil || nc.Flush() != nil {
		return false
	}
	select {
	case <-got:
		return true
	default:
		return false
	}
}

// talksInJavaScript proves by a WebSocket that programs in Node.js and pages in Chromium can do what the others can,
// and call the service and the function below app. A page from elsewhere does not get in.
func (f *form) talksInJavaScript(servers string, user webUser) {
	f.t.Helper()
	r, work := &row{form: f}, task{Servers: servers, Good: &user}
	here, elsewhere := r.inBrowser(work, "")
	for who, p := range map[string]proof{"Node.js": r.inNode(work, ""), "a page": here} {
		if p.Error != "" || p.Service != "the service has got hello" || p.Function != "hello from app.function" {
			f.t.Errorf("%s: %+v", who, p)
		}
	}
	if elsewhere.Error == "" {
		f.t.Errorf("a page from elsewhere has got in: %+v", elsewhere)
	}
}
