package preflight_test

import (
	"context"
	"net"
	"slices"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/nex-engine/nex/internal/natsconn"
	"github.com/nex-engine/nex/internal/natstest"
	"github.com/nex-engine/nex/internal/preflight"
	"github.com/nex-engine/nex/internal/preflight/checklist"
)

const user, password = "node", "secret"

// allowing makes the user one who may publish and subscribe to these subjects only.
func allowing(publish, subscribe []string) func(*server.Options) {
	return func(o *server.Options) {
		o.Users = []*server.User{{Username: user, Password: password, Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: publish}, Subscribe: &server.SubjectPermission{Allow: subscribe},
		}}}
	}
}

func connectTo(url string) preflight.NATS {
	settings := natsconn.Settings{Server: url, User: user, Password: password, NoContext: true}
	return preflight.NATS{
		URL:       url,
		Connect:   func(ctx context.Context) (*nats.Conn, error) { return settings.Connect(ctx) },
		JetStream: func(nc *nats.Conn) (jetstream.JetStream, error) { return settings.JetStream(nc) },
	}
}

func TestNATS(t *testing.T) {
	t.Parallel()
	all := []string{">"}
	tests := []struct {
		name string
		edit func(*server.Options)
		want []finding
	}{
		{"all there", allowing(all, all), []finding{{name: "nats"}, {name: "control"}, {name: "jetstream", optional: true}}},
		{"just what is needed", allowing([]string{"$NEX.>", "_INBOX.>", "$JS.API.>"}, []string{"$NEX.>", "_INBOX.>"}), []finding{
			{name: "control"}, {name: "jetstream", optional: true},
		}},
		{"may not subscribe", allowing(all, []string{"_INBOX.>"}), []finding{
			{name: "nats"}, {"control", "subscribe to $NEX.>", false},
		}},
		{"may not publish", allowing([]string{"_INBOX.>", "$JS.API.>"}, all), []finding{
			{"control", `Permissions Violation for Publish to "$NEX.preflight.`, false},
		}},
		{"may not answer", allowing([]string{"$NEX.>"}, all), []finding{{"control", "_INBOX", false}}},
		{"may not ask JetStream", allowing([]string{"$NEX.>", "_INBOX.>"}, all), []finding{{name: "control"}, {"jetstream", `Permissions Violation for Publish to "$JS.API.INFO"`, true}}},
		{"no JetStream", func(o *server.Options) {
			allowing(all, all)(o)
			o.JetStream = false
		}, []finding{{name: "control"}, {"jetstream", "start it with JetStream", true}}},
		{"no JetStream for the account", func(o *server.Options) {
			account := server.NewAccount("NODES")
			o.Accounts = []*server.Account{account}
			o.Users = []*server.User{{Username: user, Password: password, Account: account}}
		}, []finding{{name: "control"}, {"jetstream", "enable JetStream for the account", true}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := natstest.Run(t, tt.edit)
			g := connectTo(s.ClientURL()).Check(t.Context())
			for _, want := range tt.want {
				want.check(t, g)
			}
			if want := []string{s.ClientURL()}; !slices.Equal(g.Dirs, want) {
				t.Errorf("dirs = %q, want %q", g.Dirs, want)
			}
		})
	}
}

func TestNATSDown(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "nats://" + listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	check := connectTo(url)
	g := check.Check(t.Context())
	for _, do := range []string{url, "nex up brings its own"} {
		finding{"nats", do, false}.check(t, g)
	}
	if len(g.Items) != 1 {
		t.Errorf("items = %+v, want nothing about what could not be asked", g.Items)
	}
	check.OwnServer = true
	g = check.Check(t.Context())
	finding{"nats", "public_nats_server", true}.check(t, g)
	if n := checklist.Blocking([]checklist.Group{g}); n != 0 {
		t.Errorf("%d items block a node with a server of its own, want none", n)
	}
}

func TestNATSWrongPassword(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t, func(o *server.Options) { o.Username, o.Password = user, "another" })
	finding{"nats", "refuses user", false}.check(t, connectTo(s.ClientURL()).Check(t.Context()))
}

func TestNATSCloses(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	var nc *nats.Conn
	check := connectTo(s.ClientURL())
	connect := check.Connect
	check.Connect = func(ctx context.Context) (_ *nats.Conn, err error) {
		nc, err = connect(ctx)
		return nc, err
	}
	check.Check(t.Context())
	if nc == nil || !nc.IsClosed() {
		t.Error("the connection is still open")
	}
}
