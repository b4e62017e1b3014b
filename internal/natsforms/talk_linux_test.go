package natsforms_test

// This file proves what every client can do: publish and subscribe, request and reply, share work.

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/internal/nextest"
)

// talks proves with the nats command line and with nats.go that whoever is at the terminal can publish and
// subscribe, request and reply, and share work in a queue group, on subjects below one.
func (tt *terminal) talks(below string) {
	tt.t.Helper()
	tt.talksByCommand(below + ".cli")
	tt.talksInGo(below + ".go")
}

// talksByCommand is talks with the nats command line.
func (tt *terminal) talksByCommand(below string) {
	tt.t.Helper()
	// Nothing tells when a subscription of the command line is there, so there are messages until one has come.
	sub := tt.aside("nats", "sub", below+".news", "--count", "1")
	pub := tt.aside("nats", "pub", below+".news", "good news", "--count", "100000", "--sleep", "20ms")
	tt.await(sub, "nats sub")
	if !strings.Contains(sub.Output(), "good news") {
		tt.t.Errorf("nats sub has got %s", sub.Output())
	}
	pub.Kill()

	for _, worker := range []string{"anna", "bert"} {
		tt.aside("nats", "reply", below+".work", worker, "--queue", "workers")
		nextest.Await(tt.t, worker+" answers", func() bool {
			output, _, err := tt.finish(tt.command("nats", "req", below+".work", "", "--timeout", "2s"))
			return err == nil && strings.Contains(output, worker)
		})
	}
	const requests = 40
	output := tt.ok("nats", "req", below+".work", "", "--raw", "--count", fmt.Sprint(requests))
	anna, bert := strings.Count(output, "anna"), strings.Count(output, "bert")
	if anna+bert != requests || anna == 0 || bert == 0 {
		tt.t.Errorf("of %d requests anna has answered %d and bert %d", requests, anna, bert)
	}
}

// await waits until a process has ended, which must be with status 0.
func (tt *terminal) await(p *nextest.Process, what string) {
	tt.t.Helper()
	select {
	case <-p.Done():
	case <-time.After(nextest.Patience):
		tt.t.Fatalf("%s does not end\n%s%s", what, p.Output(), p.Log())
	}
	if err := p.Stop(); err != nil {
		tt.t.Fatalf("%s: %v\n%s%s", what, err, p.Output(), p.Log())
	}
}

// talksInGo is talks with nats.go.
func (tt *terminal) talksInGo(below string) {
	tt.t.Helper()
	nc, other := tt.connect(), tt.connect()
	exchange(tt.t, nc, other, below)
}

// exchange lets two connections publish and subscribe, request and reply, and share work.
func exchange(t interface {
	Helper()
	Fatalf(string, ...any)
	Errorf(string, ...any)
}, nc, other *nats.Conn, below string,
) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("on %s: %v", below, err)
		}
	}
	news, err := nc.SubscribeSync(below + ".news")
	check(err)
	var mu sync.Mutex
	answered := make(map[string]int)
	for _, worker := range []string{"anna", "bert"} {
		_, err := nc.QueueSubscribe(below+".work", "workers", func(m *nats.Msg) {
			mu.Lock()
			answered[worker]++
			mu.Unlock()
			_ = m.Respond(m.Data) // else the request fails
		})
		check(err)
	}
	check(nc.Flush())
	check(other.Publish(below+".news", []byte("good news")))
	m, err := news.NextMsg(nextest.Patience)
	check(err)
	if string(m.Data) != "good news" {
		t.Errorf("got %q", m.Data)
	}
	const requests = 40
	for i := range requests {
		answer, err := other.Request(below+".work", fmt.Append(nil, i), nextest.Patience)
		check(err)
		if string(answer.Data) != fmt.Sprint(i) {
			t.Errorf("answer to %d: %q", i, answer.Data)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if answered["anna"]+answered["bert"] != requests || answered["anna"] == 0 || answered["bert"] == 0 {
		t.Errorf("of %d requests the workers have answered %v", requests, answered)
	}
}
