package preflight_test

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
	"github.com/nex-engine/nex/internal/natsconn"
	"github.com/nex-engine/nex/internal/natstest"
	"github.com/nex-engine/nex/internal/preflight"
	"github.com/nex-engine/nex/internal/preflight/checklist"
)

const user, password = "node", "secret"

// node is the id of the node.
const node = "NAX6MSPCI2LWSJBVUC3EUIDFSVT5I5OZGXVU5ID4PTUZCDVRJIK57RH6"

// allowing makes the user one who may publish and subscribe to these subjects only.
func allowing(publish, subscribe []string) func(*server.Options) {
	return func(o *server.Options) {
		o.Users = []*server.User{{Username: user, Password: password, Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: publish}, Subscribe: &server.SubjectPermission{Allow: subscribe},
		}}}
	}
}

func connectTo(url string) preflight.NATS { return connectWith(settingsFor(url)) }

func settingsFor(url string) natsconn.Settings {
	return natsconn.Settings{Server: url, User: user, Password: password, NoContext: true}
}

func connectWith(settings natsconn.Settings) preflight.NATS {
	return preflight.NATS{
		URL: settings.Server, Bucket: "FILES",
		Connect:   func(ctx context.Context) (*nats.Conn, error) { return settings.Connect(ctx) },
		JetStream: func(nc *nats.Conn) (jetstream.JetStream, error) { return settings.JetStream(nc) },
	}
}

// needed are the subjects that a node must, or should, be allowed to publish and to subscribe to.
var (
	neededPublish = []string{
		"$NEX.events.>", "$NEX.logs.>", "_INBOX.>",
		"$JS.API.STREAM.INFO.OBJ_FILES", "$JS.API.DIRECT.GET.OBJ_FILES.>", "$JS.API.CONSUMER.CREATE.OBJ_FILES.>", "$JS.API.CONSUMER.DELETE.OBJ_FILES.*",
	}
	neededSubscribe = []string{
		"$NEX.PING", "$NEX.PING.*", "$NEX.AUCTION", "$NEX.WPING.*", "$NEX.WPING.*.*", "$NEX.INFO.*.*", "$NEX.LOGS.*.*",
		"$NEX.DEPLOY.*.*", "$NEX.STOP.*.*", "$NEX.LAMEDUCK.*", "_INBOX.>", "$SRV.>",
	}
)

func without(list []string, subject string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == subject })
}

// missing are the items that are not OK, without those that only say something.
func missing(g checklist.Group) []checklist.Item {
	var list []checklist.Item
	for _, i := range g.Items {
		if !i.OK && !i.Note {
			list = append(list, i)
		}
	}
	return list
}

// Each permission that is missing is named, with what to add, and nothing else is.
func TestNATSPermissions(t *testing.T) {
	t.Parallel()
	check := func(t *testing.T, publish, subscribe []string) []checklist.Item {
		t.Helper()
		s := natstest.Run(t, allowing(publish, subscribe))
		return missing(connectTo(s.ClientURL()).Check(t.Context(), node))
	}
	if got := check(t, neededPublish, neededSubscribe); len(got) > 0 {
		t.Errorf("with all that is needed there is missing %+v", got)
	}
	optional := func(subject string) bool {
		return strings.HasPrefix(subject, "$JS") || strings.HasPrefix(subject, "$SRV")
	}
	one := func(t *testing.T, got []checklist.Item, verb, subject, list string) {
		t.Helper()
		if len(got) != 1 || got[0].Path != verb+" "+subject || got[0].Optional != optional(subject) {
			t.Fatalf("missing are %+v, want %s %s alone", got, verb, subject)
		}
		if want := `add "` + subject + `" to the subjects that the user may ` + verb + " to (" + list; !strings.Contains(got[0].Do, want) {
			t.Errorf("do = %q, want %q in it", got[0].Do, want)
		}
	}
	for _, subject := range without(neededPublish, "_INBOX.>") { // see TestNATSAnswers
		t.Run("publish "+subject, func(t *testing.T) {
			t.Parallel()
			one(t, check(t, without(neededPublish, subject), neededSubscribe), "publish", subject, "publish.allow of its permissions, or nsc edit user --allow-pub)")
		})
	}
	for _, subject := range without(neededSubscribe, "_INBOX.>") {
		t.Run("subscribe "+subject, func(t *testing.T) {
			t.Parallel()
			one(t, check(t, neededPublish, without(neededSubscribe, subject)), "subscribe", subject, "subscribe.allow of its permissions, or nsc edit user --allow-sub)")
		})
	}
	t.Run("inbox", func(t *testing.T) {
		t.Parallel()
		one(t, check(t, neededPublish, without(neededSubscribe, "_INBOX.>")), "subscribe", "_INBOX.>", "subscribe.allow")
	})
	// Permissions that are for this node alone will do.
	t.Run("one node", func(t *testing.T) {
		t.Parallel()
		var own []string
		for _, s := range neededSubscribe {
			if strings.HasPrefix(s, "$NEX.") && !strings.Contains(s, "WPING") && strings.HasSuffix(s, ".*") {
				s = strings.TrimSuffix(s, "*") + node
			}
			own = append(own, s)
		}
		publish := append(without(neededPublish, "$NEX.logs.>"), "$NEX.logs.*."+node+".>")
		if got := check(t, publish, own); len(got) > 0 {
			t.Errorf("missing is %+v", got)
		}
	})
}

// Who may not publish to inboxes may answer with allow_responses. Only the server knows, and only some may ask it.
func TestNATSAnswers(t *testing.T) {
	t.Parallel()
	const ask = "$SYS.REQ.USER.INFO"
	responses := &server.ResponsePermission{MaxMsgs: 1, Expires: time.Minute}
	for _, tt := range []struct {
		name      string
		publish   []string
		responses *server.ResponsePermission
		ok, note  bool
		path, do  string
	}{
		{"inboxes", neededPublish, nil, true, false, "publish _INBOX.>", ""},
		{"responses", append(without(neededPublish, "_INBOX.>"), ask), responses, true, false, "allow_responses", ""},
		{"neither", append(without(neededPublish, "_INBOX.>"), ask), nil, false, false, "publish _INBOX.>", "add allow_responses to the permissions"},
		{"nobody knows", without(neededPublish, "_INBOX.>"), responses, false, true, "publish _INBOX.>", "see that it has"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := natstest.Run(t, func(o *server.Options) {
				allowing(tt.publish, neededSubscribe)(o)
				o.Users[0].Permissions.Response = tt.responses
			})
			g := connectTo(s.ClientURL()).Check(t.Context(), node)
			i := slices.IndexFunc(g.Items, func(i checklist.Item) bool { return strings.Contains(i.Description, "to give answers") })
			if i < 0 {
				t.Fatalf("nothing about answers: %+v", g.Items)
			}
			if got := g.Items[i]; got.OK != tt.ok || got.Note != tt.note || got.Path != tt.path || !strings.Contains(got.Do, tt.do) {
				t.Errorf("answers: %+v", got)
			}
		})
	}
}

// What is tried leaves nothing behind, and other nodes and clients are not told of anything.
func TestNATSIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	other := natstest.Connect(t, s)
	js, err := jetstream.New(other)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateObjectStore(t.Context(), jetstream.ObjectStoreConfig{Bucket: "FILES"}); err != nil {
		t.Fatal(err)
	}
	heard := make(chan nex.Event, 10)
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- client.New(other, client.Config{}).WatchEvents(ctx, client.EventFilter{}, func() { close(ready) }, func(e nex.Event) { heard <- e })
	}()
	<-ready
	settings := natsconn.Settings{Server: s.ClientURL(), NoContext: true}
	check := connectTo(s.ClientURL())
	check.Connect = func(ctx context.Context) (*nats.Conn, error) { return settings.Connect(ctx) }
	if got := missing(check.Check(t.Context(), node)); len(got) > 0 {
		t.Errorf("missing is %+v", got)
	}
	if err := other.Flush(); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; err != nil || len(heard) > 0 {
		t.Errorf("%d events, %v", len(heard), err)
	}
	stream, err := js.Stream(t.Context(), "OBJ_FILES")
	if err != nil {
		t.Fatal(err)
	}
	if state := stream.CachedInfo().State; state.Msgs != 0 || state.Consumers != 0 {
		t.Errorf("state of the object store: %+v", state)
	}
}

func TestNATSJetStream(t *testing.T) {
	t.Parallel()
	all := []string{">"}
	for _, tt := range []struct {
		name string
		edit func(*server.Options)
		want finding
	}{
		{"there", allowing(all, all), finding{"jetstream", "", true}},
		{"not on the server", func(o *server.Options) {
			allowing(all, all)(o)
			o.JetStream = false
		}, finding{"jetstream", "enable it on the NATS server (nats-server -js)", true}},
		{"not for the account", func(o *server.Options) {
			account := server.NewAccount("NODES")
			o.Accounts = []*server.Account{account}
			o.Users = []*server.User{{Username: user, Password: password, Account: account}}
		}, finding{"jetstream", "JetStream is not enabled for the account: enable it there, or deploy only what lies elsewhere", true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := natstest.Run(t, tt.edit)
			g := connectTo(s.ClientURL()).Check(t.Context(), node)
			tt.want.check(t, g)
			finding{"nats", "", false}.check(t, g)
			if got := (finding{"version", "", true}).check(t, g); got.Path != server.VERSION {
				t.Errorf("version %s", got.Path)
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
	g := check.Check(t.Context(), node)
	for _, do := range []string{url, "nex up brings its own"} {
		finding{"nats", do, false}.check(t, g)
	}
	if len(g.Items) != 1 {
		t.Errorf("items = %+v, want nothing about what could not be asked", g.Items)
	}
	check.OwnServer = true
	g = check.Check(t.Context(), node)
	finding{"nats", "public_nats_server", true}.check(t, g)
	if n := checklist.Blocking([]checklist.Group{g}); n != 0 {
		t.Errorf("%d items block a node with a server of its own, want none", n)
	}
}

func TestNATSWrongPassword(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t, func(o *server.Options) { o.Username, o.Password = user, "another" })
	finding{"nats", "refuses user", false}.check(t, connectTo(s.ClientURL()).Check(t.Context(), node))
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
	check.Check(t.Context(), node)
	if nc == nil || !nc.IsClosed() {
		t.Error("the connection is still open")
	}
}
