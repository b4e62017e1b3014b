package natsforms_test

// This file is about clusters that gateways join.

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/nex-engine/nex/internal/nextest"
)

// gateways returns what a server has sent by its gateways, by the name of the other cluster.
func (f *form) gateways(host string) map[string]traffic {
	var z struct {
		Outbound map[string]struct {
			Connection traffic `json:"connection"`
		} `json:"outbound_gateways"`
	}
	f.monitor(host, "/gatewayz", &z) // what it does not say is not there
	sent := make(map[string]traffic)
	for name, g := range z.Outbound {
		sent[name] = g.Connection
	}
	return sent
}

// TestSuperCluster joins nodes to two clusters, and lets clients of each reach both.
func TestSuperCluster(t *testing.T) {
	f := newForm(t)
	f.write("gateways.conf", "east.conf", "west.conf")
	f.mortals(binDir, "gateway-e1.sh", "gateway-e2.sh", "gateway-e3.sh", "gateway-w1.sh", "gateway-w2.sh", "gateway-w3.sh")
	f.awaitMesh("127.0.0.1", "127.0.0.2", "127.0.0.3")
	f.awaitMesh("127.0.0.4", "127.0.0.5", "127.0.0.6")
	nextest.Await(t, "the clusters have found each other", func() bool {
		for n := 1; n <= 6; n++ {
			if len(f.gateways(fmt.Sprintf("127.0.0.%d", n))) != 1 {
				return false
			}
		}
		return true
	})
	east, west := f.terminal(), f.terminal()
	east.run("gateway-east.sh")
	west.run("gateway-west.sh")
	for _, tt := range []*terminal{east, west} {
		tt.with("NATS_USER=", "NATS_PASSWORD=").refused("wants credentials")
		tt.with("NATS_USER="+appUser.User, "NATS_PASSWORD="+appUser.Pass).onlyUses()
	}

	node := east.joins()
	west.finds(node)
	west.calls(node, "app")
	east.answers("app.service", "the service has got hello")
	east.answers("app.function", "hello from app.function")
	east.talks("talk")
	across(east, west, "there")
	across(west, east, "back")
	f.talksInJavaScript("ws://127.0.0.5:8080", appUser)
	f.ownClusterFirst(east, west)
	f.placed(east, west)
	f.interestAcross(east, west)
}

// ownClusterFirst shows that a worker of one's own cluster answers as long as there is one.
func (f *form) ownClusterFirst(east, west *terminal) {
	f.t.Helper()
	workers := map[*terminal]*nats.Conn{east: east.connect(), west: west.connect()}
	for tt, nc := range workers {
		_, err := nc.QueueSubscribe("near", "workers", func(m *nats.Msg) { _ = m.Respond([]byte(tt.env["NATS_URL"])) })
		must(f.t, err, nc.Flush())
	}
	for tt := range workers {
		nc := tt.connect()
		for range 40 {
			m, err := nc.Request("near", nil, nextest.Patience)
			must(f.t, err)
			if string(m.Data) != tt.env["NATS_URL"] {
				f.t.Errorf("a request at %s is answered from %s", tt.env["NATS_URL"], m.Data)
			}
		}
	}
	workers[west].Close()
	nc := west.connect()
	nextest.Await(f.t, "the other cluster's worker answers", func() bool {
		m, err := nc.Request("near", nil, nats.DefaultTimeout)
		return err == nil && string(m.Data) == east.env["NATS_URL"]
	})
}

// placed shows that a stream is in the cluster that it was made for, and takes messages of both.
func (f *form) placed(east, west *terminal) {
	f.t.Helper()
	nextest.Await(f.t, "the servers agree on the stream", func() bool {
		_, _, err := east.finish(east.command("sh", "-ec", block(f.t, "gateway-stream.sh")))
		return err == nil
	})
	publish(f.t, east, "west.from-east")
	publish(f.t, west, "west.from-west")
	js, err := jetstream.New(east.connect())
	must(f.t, err)
	stream, err := js.Stream(f.t.Context(), "WEST")
	must(f.t, err)
	info := stream.CachedInfo()
	if info.Cluster.Name != "west" || !strings.HasPrefix(info.Cluster.Leader, "w") || len(info.Cluster.Replicas) != 2 || info.State.Msgs != 2 {
		f.t.Errorf("the stream has %d messages, and is at %+v", info.State.Msgs, info.Cluster)
	}
}

// interestAcross shows by the counters of the gateways that what nobody wants in the other cluster stays here.
func (f *form) interestAcross(east, west *terminal) {
	f.t.Helper()
	const messages, other = 10_000, 2_000
	nc := east.connect()
	publish := func(subject string) int64 {
		f.t.Helper()
		sent := func() (n int64) {
			for _, host := range []string{"127.0.0.1", "127.0.0.2", "127.0.0.3"} {
				n += f.gateways(host)["west"].Messages
			}
			return n
		}
		before := sent()
		for range messages {
			must(f.t, nc.Publish(subject, []byte("news")))
		}
		must(f.t, nc.Flush())
		return sent() - before
	}
	if n := publish("gateway.unwanted"); n >= other {
		f.t.Errorf("of %d messages without interest east has sent west %d", messages, n)
	}
	got := make(chan struct{}, messages)
	listener := west.connect()
	sub, err := listener.Subscribe("gateway.wanted", func(*nats.Msg) { got <- struct{}{} })
	must(f.t, err, sub.SetPendingLimits(-1, -1), listener.Flush())
	nextest.Await(f.t, "east knows of the subscription", func() bool { return arrives(nc, "gateway.wanted", got) })
	if n := publish("gateway.wanted"); n < messages {
		f.t.Errorf("of %d messages with interest east has sent west %d", messages, n)
	}
}
