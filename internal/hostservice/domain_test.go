package hostservice_test

import (
	"net"
	"net/url"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/nex-engine/nex/internal/hostapi"
	"github.com/nex-engine/nex/internal/hostservice"
	"github.com/nex-engine/nex/internal/natsconn"
	"github.com/nex-engine/nex/internal/natstest"
)

// edgeOf starts a leaf node with a JetStream domain of its own, edge, and the server that it hangs on, with the
// domain hub.
func edgeOf(t *testing.T) (edge, hub *server.Server) {
	t.Helper()
	hub = natstest.Run(t, func(o *server.Options) {
		o.JetStreamDomain = "hub"
		o.LeafNode.Host, o.LeafNode.Port = "127.0.0.1", server.RANDOM_PORT
	})
	facts, err := hub.Varz(nil)
	if err != nil {
		t.Fatal(err)
	}
	at := &url.URL{Scheme: "nats-leaf", Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(facts.LeafNode.Port))}
	edge = natstest.Run(t, func(o *server.Options) {
		o.JetStreamDomain = "edge"
		o.LeafNode.Remotes = []*server.RemoteLeafOpts{{URLs: []*url.URL{at}}}
	})
	js := jetStreamIn(t, edge, "hub")
	for deadline := time.Now().Add(enough); ; time.Sleep(time.Millisecond) { // nothing tells when the hub can be asked
		if _, err = js.AccountInfo(t.Context()); err == nil {
			return edge, hub
		}
		if time.Now().After(deadline) {
			t.Fatalf("the hub does not answer: %v", err)
		}
	}
}

func placedDesk(t *testing.T, s *server.Server, place natsconn.JetStreamPlace) *hostservice.Desk {
	t.Helper()
	d, err := openServices(t).Desk(hostservice.DeskConfig{
		NATS: natstest.Connect(t, s), JetStream: place, Namespace: "default", Workload: "counter", ID: "W1", MaxConcurrency: 16,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// Buckets of the same name in two domains have nothing to do with each other.
func TestDomain(t *testing.T) {
	edge, hub := edgeOf(t)
	own := placedDesk(t, edge, natsconn.JetStreamPlace{})
	for _, there := range []*hostservice.Desk{
		placedDesk(t, edge, natsconn.JetStreamPlace{Domain: "hub"}),
		placedDesk(t, edge, natsconn.JetStreamPlace{APIPrefix: "$JS.hub.API"}),
	} {
		must(t, own, "kv", "set", key("k"), "edge")
		must(t, there, "kv", "set", key("k"), "hub")
		for want, d := range map[string]*hostservice.Desk{"edge": own, "hub": there} {
			if got := must(t, d, "kv", "get", key("k"), "").Body; string(got) != want {
				t.Errorf("the value at the %s is %q", want, got)
			}
		}
		must(t, there, "kv", "delete", key("k"), "")
		refused(t, there, "kv", "get", key("k"), "", hostapi.CodeNotFound)
		if got := must(t, own, "kv", "get", key("k"), "").Body; string(got) != "edge" {
			t.Errorf("the value at the edge is %q after that at the hub was deleted", got)
		}
		must(t, there, "objectstore", "put", name("o"), "object")
		if got := must(t, there, "objectstore", "get", name("o"), "").Body; string(got) != "object" {
			t.Errorf("the object is %q", got)
		}
	}
	if names := streams(t, jetStreamIn(t, edge, "edge")); slices.Contains(names, "OBJ_nex-default_-counter") {
		t.Errorf("the edge has the streams %q", names)
	}
	if names := streams(t, jetStreamIn(t, hub, "hub")); len(names) != 2 {
		t.Errorf("the hub has the streams %q", names)
	}
}

func jetStreamIn(t *testing.T, s *server.Server, domain string) jetstream.JetStream {
	t.Helper()
	js, err := natsconn.JetStreamPlace{Domain: domain}.Open(natstest.Connect(t, s))
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func streams(t *testing.T, js jetstream.JetStream) []string {
	t.Helper()
	var names []string
	list := js.StreamNames(t.Context())
	for name := range list.Name() {
		names = append(names, name)
	}
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	return names
}

func TestNoSuchDomain(t *testing.T) {
	s := natstest.Run(t)
	for want, place := range map[string]natsconn.JetStreamPlace{
		`in domain "nowhere"`:           {Domain: "nowhere"},
		`with the API prefix "nowhere"`: {APIPrefix: "nowhere"},
	} {
		d := placedDesk(t, s, place)
		refused(t, d, "kv", "set", key("k"), "v", hostapi.CodeUnavailable, want)
		refused(t, d, "objectstore", "put", name("o"), "v", hostapi.CodeUnavailable, want)
	}
}
