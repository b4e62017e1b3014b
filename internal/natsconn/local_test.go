package natsconn_test

import (
	"testing"

	"github.com/nats-io/jsm.go/natscontext"
	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/internal/datadir"
	"github.com/nex-engine/nex/internal/embednats"
	"github.com/nex-engine/nex/internal/natsconn"
	"github.com/nex-engine/nex/internal/upstate"
)

// up leaves the note of a running nex up.
func up(t *testing.T, s upstate.State) (dataDir string) {
	t.Helper()
	d, err := datadir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := upstate.Write(d.Path(), s); err != nil {
		t.Fatal(err)
	}
	return d.Path()
}

func TestDiscover(t *testing.T) {
	t.Parallel()
	const url = "nats://127.0.0.1:4222"
	dir := up(t, upstate.State{NATSURL: url, ControlURL: url, ControlNKey: "/k"})
	found := natsconn.Settings{Server: url, NKey: "/k", NoContext: true}
	for _, tt := range []struct {
		name  string
		given natsconn.Settings
		want  natsconn.Settings
	}{
		{"nothing", natsconn.Settings{}, found},
		{"nothing about where", natsconn.Settings{TLSCA: "ca"}, natsconn.Settings{Server: url, NKey: "/k", NoContext: true, TLSCA: "ca"}},
		{"that server", natsconn.Settings{Server: url}, found},
		{"that server by name", natsconn.Settings{Server: "localhost"}, found},
		{"that server with TLS", natsconn.Settings{Server: "tls://[::1]:4222"}, natsconn.Settings{Server: "tls://[::1]:4222", NKey: "/k", NoContext: true}},
		{"another port", natsconn.Settings{Server: "nats://127.0.0.1:4223"}, natsconn.Settings{Server: "nats://127.0.0.1:4223"}},
		{"another host", natsconn.Settings{Server: "nats://10.0.0.1:4222"}, natsconn.Settings{Server: "nats://10.0.0.1:4222"}},
		{"a WebSocket", natsconn.Settings{Server: "ws://127.0.0.1:4222"}, natsconn.Settings{Server: "ws://127.0.0.1:4222"}},
		{"a list", natsconn.Settings{Server: url + "," + url}, natsconn.Settings{Server: url + "," + url}},
		{"user in the URL", natsconn.Settings{Server: "u:p@127.0.0.1"}, natsconn.Settings{Server: "u:p@127.0.0.1"}},
		{"that server and a user", natsconn.Settings{Server: url, User: "u"}, natsconn.Settings{Server: url, User: "u"}},
		{"credentials", natsconn.Settings{Creds: "c"}, natsconn.Settings{Creds: "c"}},
		{"context", natsconn.Settings{Context: "c"}, natsconn.Settings{Context: "c"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, state := tt.given.Discover(dir)
			if got != tt.want {
				t.Errorf("settings = %+v, want %+v", got, tt.want)
			}
			if (state != nil) != (got != tt.given) {
				t.Errorf("state = %+v for settings %+v", state, got)
			}
			if got, state := tt.given.Discover(t.TempDir()); got != tt.given || state != nil {
				t.Errorf("where nothing runs: %+v, %+v", got, state)
			}
		})
	}
}

// A server in operator mode has no control key; a context may have credentials for it.
func TestDiscoverWithoutControlKey(t *testing.T) {
	t.Parallel()
	const url = "nats://127.0.0.1:4222"
	got, state := natsconn.Settings{}.Discover(up(t, upstate.State{ControlURL: url}))
	if want := (natsconn.Settings{Server: url}); got != want || state == nil {
		t.Errorf("settings = %+v, %v; want %+v", got, state, want)
	}
}

func TestDiscoverIgnoresDead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := upstate.Write(dir, upstate.State{ControlURL: "nats://127.0.0.1:4222", ControlNKey: "/k"}); err != nil {
		t.Fatal(err)
	}
	if got, state := (natsconn.Settings{}).Discover(dir); state != nil || got != (natsconn.Settings{}) {
		t.Errorf("found %+v, %+v though nobody holds the directory", got, state)
	}
}

// From nothing but the data directory to the control account, past the selected context.
func TestDiscoverReachesEmbeddedServer(t *testing.T) {
	contexts(t)
	save(t, "elsewhere", true, natscontext.WithServerURL("nats://127.0.0.1:1"), natscontext.WithUser("u"), natscontext.WithPassword("p"))
	d, err := datadir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	key, err := embednats.OpenKey(d.Path())
	if err != nil {
		t.Fatal(err)
	}
	s, err := embednats.New(embednats.Config{Port: new(int), StoreDir: d.Path(), Control: key})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown()
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := upstate.Write(d.Path(), upstate.State{NATSURL: s.ClientURL(), ControlURL: s.ClientURL(), ControlNKey: key.Path()}); err != nil {
		t.Fatal(err)
	}
	opts, err := s.ControlOptions()
	if err != nil {
		t.Fatal(err)
	}
	node, err := nats.Connect("", opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	if _, err := node.Subscribe("$NEX.PING", func(m *nats.Msg) { _ = m.Respond([]byte("pong")) }); err != nil {
		t.Fatal(err)
	}
	if err := node.Flush(); err != nil {
		t.Fatal(err)
	}
	for name, given := range map[string]natsconn.Settings{"nothing given": {}, "its URL given": {Server: s.ClientURL()}} {
		settings, state := given.Discover(d.Path())
		if state == nil {
			t.Errorf("%s: not found", name)
			continue
		}
		m, err := connects(t, settings).Request("$NEX.PING", nil, within)
		if err != nil || string(m.Data) != "pong" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := connects(t, natsconn.Settings{Server: s.ClientURL(), NoContext: true}).Request("$NEX.PING", nil, within); err == nil {
		t.Error("a client without the key reaches the node")
	}
}
