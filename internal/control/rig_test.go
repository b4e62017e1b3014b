package control_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/claims"
	"github.com/nex-engine/nex/internal/control"
	"github.com/nex-engine/nex/internal/natstest"
)

// patience bounds waiting for what must come.
const patience = 20 * time.Second

const namespace = "default"

var digest = strings.Repeat("0123456789abcdef", 4)

// rig is a service with scripted workloads, and a client's connection to it.
type rig struct {
	t       *testing.T
	nc      *nats.Conn // the client's
	conn    *nats.Conn // the service's
	service *control.Service
	config  control.Config
	work    *workloads
	log     *lockedBuffer

	node, xkey string
	issuer     nkeys.KeyPair
	sender     nkeys.KeyPair
}

// newRig starts a service that accepts classic claims, in what tests do not change with edit.
func newRig(t *testing.T, edit ...func(*rig)) *rig {
	t.Helper()
	s := natstest.Run(t, func(o *server.Options) {
		o.JetStream = false
		o.MaxPayload = 4 * nex.MaxRequestBytes // so that too large a request gets there
	})
	return rigOn(t, s, edit...)
}

func rigOn(t *testing.T, s *server.Server, edit ...func(*rig)) *rig {
	t.Helper()
	r := &rig{t: t, nc: natstest.Connect(t, s), conn: natstest.Connect(t, s), work: &workloads{}, log: &lockedBuffer{}}
	_, r.node = pair(t, nkeys.CreateServer)
	var xkey nkeys.KeyPair
	xkey, r.xkey = pair(t, nkeys.CreateCurveKeys)
	r.issuer, _ = pair(t, nkeys.CreateAccount)
	r.sender, _ = pair(t, nkeys.CreateCurveKeys)
	seen, err := claims.OpenSeen(filepath.Join(t.TempDir(), "seen"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = seen.Close() })
	logger := slog.New(slog.NewTextHandler(r.log, nil))
	r.config = control.Config{
		Conn: r.conn, NodeID: r.node, Nexus: "test", Xkey: xkey, Tags: map[string]string{"zone": "a"},
		OS: "linux", Arch: "amd64", Sandbox: nex.SandboxNone, Types: []nex.WorkloadType{nex.TypeNative, nex.TypeV8},
		CPUs:      2,
		Verifier:  &claims.Verifier{Node: r.node, Seen: seen},
		Workloads: r.work, IdleAgents: func() int { return 1 },
		Publisher: control.NewPublisher(r.conn, r.node, logger), Logger: logger,
	}
	t.Cleanup(r.config.Publisher.Close)
	for _, e := range edit {
		e(r)
	}
	if r.service, err = control.Start(r.config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.service.Close)
	return r
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

// subject is that of an operation on the rig's node.
func (r *rig) subject(op nex.Op) string {
	return nex.Request{Op: op, Namespace: namespace, Node: r.node}.Subject()
}

// ask sends a request and returns the answer, which must come.
func (r *rig) ask(subject string, body any) *nats.Msg {
	r.t.Helper()
	msg, err := r.nc.Request(subject, encode(r.t, body), patience)
	if err != nil {
		r.t.Fatalf("%s: %v", subject, err)
	}
	return msg
}

// encode makes a request body: bytes and strings as they are, nil empty, anything else as JSON.
func encode(t testing.TB, body any) []byte {
	t.Helper()
	switch b := body.(type) {
	case nil:
		return nil
	case []byte:
		return b
	case string:
		return []byte(b)
	}
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// deployment is a deploy request with bound claims. Edits come before signing.
func (r *rig) deployment(edit ...func(*nex.DeployRequest)) *nex.DeployRequest {
	r.t.Helper()
	d := &nex.DeployRequest{
		Type: nex.TypeNative, Location: nex.Location{Scheme: nex.SchemeNATS, Host: "B", Path: "/k"}, TargetNode: r.node,
	}
	for _, e := range edit {
		e(d)
	}
	d.WorkloadJWT = r.sign(claims.Claims{Subject: "echo", Hash: digest, Node: r.node, Namespace: namespace, Request: d.Digest()})
	return d
}

// stopping is a stop request with bound claims.
func (r *rig) stopping(id string) *nex.StopRequest {
	r.t.Helper()
	token := r.sign(claims.Claims{Subject: "echo", Node: r.node, Namespace: namespace, Workload: id})
	return &nex.StopRequest{WorkloadID: id, WorkloadJWT: token, TargetNode: r.node}
}

func (r *rig) sign(c claims.Claims) string {
	r.t.Helper()
	token, err := claims.Sign(r.issuer, c)
	if err != nil {
		r.t.Fatal(err)
	}
	return token
}

func (r *rig) public(key nkeys.KeyPair) string {
	r.t.Helper()
	public, err := key.PublicKey()
	if err != nil {
		r.t.Fatal(err)
	}
	return public
}

// plain replaces what differs from run to run.
func (r *rig) plain(body []byte) string {
	r.t.Helper()
	text := strings.NewReplacer(r.node, "NODE", r.xkey, "XKEY", r.public(r.issuer), "ISSUER", nex.Version, "VERSION").Replace(string(body))
	text = regexp.MustCompile(`"(uptime|runtime)":"[^"]*"`).ReplaceAllString(text, `"$1":"8m47s"`)
	text = regexp.MustCompile(`"memory":\{[^}]*\},?`).ReplaceAllString(text, "")
	return text
}

// wantReply compares an answer, made plain, byte by byte.
func (r *rig) wantReply(msg *nats.Msg, want string) {
	r.t.Helper()
	if got := r.plain(msg.Data); got != want {
		r.t.Errorf("reply\n got %s\nwant %s", got, want)
	}
	if got := msg.Header.Get("Nats-Service-Error"); got != "" {
		r.t.Errorf("Nats-Service-Error = %q in an answer", got)
	}
}

// wantRefusal checks an answer that carries a failure: the whole reply, and the headers. Status is
// that of the code.
func (r *rig) wantRefusal(msg *nats.Msg, op nex.Op, code nex.Code, text string) {
	r.t.Helper()
	quoted := string(encode(r.t, any([]string{text})))
	want := `{"type":"` + nex.ResponseType(op) + `","data":null,"error":` + quoted[1:len(quoted)-1] + `,"code":"` + string(code) + `"}`
	if got := r.plain(msg.Data); got != want {
		r.t.Errorf("reply\n got %s\nwant %s", got, want)
	}
	if got := r.plain([]byte(msg.Header.Get("Nats-Service-Error"))); got != text {
		r.t.Errorf("Nats-Service-Error = %q, want %q", got, text)
	}
	var status string
	for _, c := range nex.Codes {
		if c.Code == code {
			status = string(encode(r.t, c.Status))
		}
	}
	if got := msg.Header.Get("Nats-Service-Error-Code"); got != status || status == "" {
		r.t.Errorf("Nats-Service-Error-Code = %q, want %q", got, status)
	}
}

// next returns the next message, which must come.
func next(t *testing.T, sub *nats.Subscription) *nats.Msg {
	t.Helper()
	msg, err := sub.NextMsg(patience)
	if err != nil {
		t.Fatalf("%s: %v", sub.Subject, err)
	}
	return msg
}

// subscribe listens, and is listening when it returns.
func (r *rig) subscribe(subject string) *nats.Subscription {
	r.t.Helper()
	sub, err := r.nc.SubscribeSync(subject)
	if err == nil {
		err = r.nc.Flush()
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return sub
}

// lockedBuffer is a log that may be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
