package natsforms_test

// This file is about the full mesh of three servers: who reaches whom, and what is left of it when a server is
// killed.

import (
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/internal/nextest"
)

// TestCluster joins a node to one server, deploys by another, and talks across all three.
func TestCluster(t *testing.T) {
	m := newCluster(t)
	first, second, third := m.at(1), m.at(2), m.at(3)
	third.run("cluster-bucket.sh")
	node := first.joins()
	second.finds(node)
	second.calls(node, "app")
	third.answers("app.service", "the service has got hello")
	third.answers("app.function", "hello from app.function")
	first.talks("talk")
	across(first, third, "across")
	acrossInGo(second, third, "exchange")
	m.talksInJavaScript("ws://127.0.0.3:8080", appUser)
	nextest.Await(t, "the control account spans the cluster", func() bool {
		all := first.with("NATS_USER=", "NATS_PASSWORD=").ok("nex", "--data-dir", "n1", "node", "ls")
		for _, p := range m.members {
			if !strings.Contains(all, p.Ready.NodeID) {
				return false
			}
		}
		return !strings.Contains(all, node.Ready.NodeID) // it is in another account
	})
}

// TestStrangers refuses those who are no users at each of the servers, and lets those who only use what is deployed do
// no more.
func TestStrangers(t *testing.T) {
	m := newCluster(t)
	for number := range meshURLs {
		tt := m.at(number + 1)
		tt.with("NATS_USER=", "NATS_PASSWORD=").refused("wants credentials")
		tt.with("NATS_USER="+appUser.User, "NATS_PASSWORD="+appUser.Pass).onlyUses()
	}
}

// TestInterestOnly looks at the servers' own counters: what nobody wants elsewhere stays where it is, and what
// somebody wants goes to that server alone.
func TestInterestOnly(t *testing.T) {
	m := newCluster(t)
	publisher, subscriber := m.at(1).connect(), m.at(2).connect()
	const (
		messages = 10_000
		size     = 1 << 10
		// other is more than the servers have to tell each other meanwhile, about streams and themselves.
		other = messages / 5
	)
	publish := func(subject string) map[string]traffic {
		t.Helper()
		before := m.routes("127.0.0.1")
		payload := make([]byte, size)
		for range messages {
			must(t, publisher.Publish(subject, payload))
		}
		must(t, publisher.Flush())
		sent := m.routes("127.0.0.1")
		for name, b := range before {
			sent[name] = traffic{sent[name].Messages - b.Messages, sent[name].Bytes - b.Bytes}
		}
		return sent
	}
	sent := publish("news.unwanted")
	for _, name := range []string{"n2", "n3"} {
		if s, ok := sent[name]; !ok || s.Messages >= other || s.Bytes >= other*size {
			t.Errorf("without interest n1 has sent %s %+v", name, s)
		}
	}
	got := make(chan struct{}, messages)
	sub, err := subscriber.Subscribe("news.wanted", func(*nats.Msg) { got <- struct{}{} })
	must(t, err, sub.SetPendingLimits(-1, -1), subscriber.Flush())
	nextest.Await(t, "n1 knows of the subscription", func() bool { return arrives(publisher, "news.wanted", got) })
	sent = publish("news.wanted")
	for range messages {
		<-got
	}
	if s := sent["n2"]; s.Messages < messages || s.Bytes < messages*size {
		t.Errorf("with interest n1 has sent n2 %+v", s)
	}
	if s := sent["n3"]; s.Messages >= other || s.Bytes >= other*size {
		t.Errorf("without interest n1 has sent n3 %+v", s)
	}
}

// TestFailover kills the server of a client, a node and what runs on it. They were told of that one alone, go on
// to another, and everything answers again.
func TestFailover(t *testing.T) {
	m := newCluster(t)
	first, second := m.at(1), m.at(2)
	second.run("cluster-bucket.sh")
	node := first.joins()
	first.calls(node, "app")
	nc := first.connect()
	mine, err := nc.SubscribeSync("mine")
	must(t, err, nc.Flush())
	nextest.Await(t, "the client is told of the other servers", func() bool { return len(nc.DiscoveredServers()) == len(meshURLs)-1 })
	back := nc.StatusChanged(nats.CONNECTED)
	defer nc.RemoveStatusListener(back)

	m.kill(1)
	<-back
	if url := nc.ConnectedUrl(); !slices.Contains(meshURLs[1:], url) {
		t.Errorf("the client is connected to %s", url)
	}
	nextest.Await(t, "the subscription is back", func() bool {
		if second.connect().Publish("mine", nil) != nil {
			return false
		}
		_, err := mine.NextMsg(nats.DefaultTimeout)
		return err == nil
	})
	second.answers("app.function", "hello from app.function")
	second.answers("app.service", "the service has got hello")
	second.finds(node)
	second.with("NATS_URL=" + meshURLs[0] + "," + meshURLs[1]).finds(node)
	second.awaitBucket()
	second.deploysFunction(node, "app.later", "--name=later")
	second.answers("app.later", "hello from app.later")
}

// awaitBucket waits until the bucket of artifacts has a leader again, and so takes new ones.
func (tt *terminal) awaitBucket() {
	tt.t.Helper()
	nextest.Await(tt.t, "the bucket has a new leader", func() bool {
		_, _, err := tt.finish(tt.command("nats", "object", "put", "NEXCLIFILES", "hello.js", "--force", "--no-progress", "--timeout", "2s"))
		return err == nil
	})
}

// TestWithoutQuorum kills two of the three servers. What runs goes on to answer, what needs JetStream is told why it
// waits, and goes on when one of them is back.
func TestWithoutQuorum(t *testing.T) {
	m := newCluster(t)
	first := m.at(1)
	first.run("cluster-bucket.sh")
	node := first.joins()
	first.calls(node, "app")
	m.kill(2)
	m.kill(3)
	first.answers("app.function", "hello from app.function")
	first.answers("app.service", "the service has got hello")
	nextest.Await(t, "the server that is left has noticed", func() bool {
		_, log, _ := first.finish(first.command("nats", "req", "$O.NEXCLIFILES.M.x", "", "--timeout", "2s"))
		return strings.Contains(log, "No responders")
	})
	var log string
	if !nextest.Poll(func() bool { // for a moment it does not answer at all
		log = first.fails("nex", "devrun", "hello.js", "--name=later", "--trigger_subject=app.later")
		return strings.Contains(log, "its bucket has no leader")
	}) {
		t.Errorf("nex devrun says %s", log)
	}
	m.mortals(binDir, "cluster-n2.sh")
	first.awaitBucket()
	first.deploysFunction(node, "app.later", "--name=later")
	first.answers("app.later", "hello from app.later")
}
