package client_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
	"github.com/nex-engine/nex/internal/natstest"
)

// patience bounds waiting for what must come; ages is longer than any test may take.
const (
	patience = 20 * time.Second
	ages     = time.Hour
)

var (
	digest = strings.Repeat("0123456789abcdef", 4)
	nodeA  = "N" + strings.Repeat("A", 55)
	nodeB  = "N" + strings.Repeat("B", 55)
)

// rig is a client, and a connection for the scripted nodes that it talks to.
type rig struct {
	t      *testing.T
	nc     *nats.Conn // the client's
	nodes  *nats.Conn
	client *client.Client
}

// newRig connects both to a server without JetStream. No call of the client may leave a subscription.
func newRig(t *testing.T, cfg client.Config, opts ...nats.Option) *rig {
	t.Helper()
	return rigOn(t, natstest.Run(t, func(o *server.Options) { o.JetStream = false }), cfg, opts...)
}

func rigOn(t *testing.T, s *server.Server, cfg client.Config, opts ...nats.Option) *rig {
	t.Helper()
	r := &rig{t: t, nc: natstest.Connect(t, s, opts...), nodes: natstest.Connect(t, s)}
	r.client = client.New(r.nc, cfg)
	t.Cleanup(func() {
		const own = 1 // the library's, for all requests together
		if n := r.nc.NumSubscriptions(); n > own {
			t.Errorf("%d subscriptions are left on the connection", n)
		}
	})
	return r
}

// on makes a scripted node handle requests on subject, one after the other.
func (r *rig) on(subject string, handle func(*nats.Msg)) {
	r.t.Helper()
	if _, err := r.nodes.Subscribe(subject, handle); err != nil {
		r.t.Fatal(err)
	}
	if err := r.nodes.Flush(); err != nil {
		r.t.Fatal(err)
	}
}

// respond answers a request with bytes.
func (r *rig) respond(m *nats.Msg, body string) {
	if err := m.Respond([]byte(body)); err != nil {
		r.t.Errorf("respond to %s: %v", m.Subject, err)
	}
}

// answers makes a handler that always gives the same answer.
func (r *rig) answers(body string) func(*nats.Msg) {
	return func(m *nats.Msg) { r.respond(m, body) }
}

// reply is a reply of this version's nodes.
func reply(t testing.TB, op nex.Op, data any) string {
	t.Helper()
	b, err := nex.EncodeReply(nex.ResponseType(op), data)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func refusal(op nex.Op, err error) string { return string(nex.EncodeError(nex.ResponseType(op), err)) }

func decode[T any](t testing.TB, body []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(body, &v); err != nil {
		t.Errorf("decode %s: %v", body, err)
	}
	return v
}

func pair(t testing.TB, create func() (nkeys.KeyPair, error)) (key nkeys.KeyPair, public string) {
	t.Helper()
	key, err := create()
	if err != nil {
		t.Fatal(err)
	}
	if public, err = key.PublicKey(); err != nil {
		t.Fatal(err)
	}
	return key, public
}

// wantCode checks that err is a refusal with this code whose text has says in it.
func wantCode(t testing.TB, err error, code nex.Code, says string) {
	t.Helper()
	var refusal *nex.Error
	if !errors.As(err, &refusal) || refusal.Code != code || !strings.Contains(refusal.Message, says) {
		t.Errorf("error = %v (code %q), want code %q and %q", err, nex.CodeOf(err), code, says)
	}
}

// receive returns what comes on a channel, which must come.
func receive[T any](t testing.TB, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}
