package node_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
	"github.com/nex-engine/nex/internal/claims"
)

// send sends bytes to an operation of the node, past the client, which refuses much by itself.
func (r *rig) send(op nex.Op, namespace string, body []byte) *nats.Msg {
	r.Helper()
	subject := nex.Request{Op: op, Namespace: namespace, Node: r.node.NodeID}.Subject()
	reply, err := r.nc.Request(subject, body, patience)
	if err != nil {
		r.Fatalf("request on %s: %v", subject, err)
	}
	return reply
}

// refused checks that a reply is a refusal with the code, in the body and in the header that NATS
// services use, whose sentence contains the text.
func (r *rig) refused(op nex.Op, reply *nats.Msg, code nex.Code, text string) {
	r.Helper()
	err := nex.DecodeReply(nex.ResponseType(op), reply.Data, nil)
	if got := nex.CodeOf(err); got != code {
		r.Errorf("code = %q (%v), want %q", got, err, code)
	}
	if err != nil && !strings.Contains(err.Error(), text) {
		r.Errorf("sentence = %q, want it to contain %q", err, text)
	}
	if got, want := reply.Header.Get(micro.ErrorCodeHeader), strconv.Itoa(code.Status()); got != want {
		r.Errorf("header %s = %q, want %q", micro.ErrorCodeHeader, got, want)
	}
}

// request is the deploy request of testprog, which waits, without claims.
func (r *rig) request() *nex.DeployRequest {
	r.Helper()
	d := r.testprog("prog", "wait")
	return &nex.DeployRequest{Type: d.Type, Location: d.Location, TargetNode: d.Node, Argv: d.Argv}
}

// claims are bound claims for a request.
func (r *rig) claims(q *nex.DeployRequest) claims.Claims {
	r.Helper()
	return claims.Claims{
		Subject: "prog", Hash: r.testprog("prog").Digest,
		Node: r.node.NodeID, Namespace: nex.DefaultNamespace, Request: q.Digest(),
	}
}

// sign adds claims to a request and encodes it.
func (r *rig) sign(q *nex.DeployRequest, issuer nkeys.KeyPair, c claims.Claims) []byte {
	r.Helper()
	token, err := claims.Sign(issuer, c)
	if err != nil {
		r.Fatal(err)
	}
	return r.encode(q, token)
}

func (r *rig) encode(q *nex.DeployRequest, token string) []byte {
	r.Helper()
	signed := *q
	signed.WorkloadJWT = token
	body, err := json.Marshal(signed)
	if err != nil {
		r.Fatal(err)
	}
	return body
}

// testRefusals sends requests that the node must refuse, each time by itself, and leave no trace.
func testRefusals(t *testing.T, r *rig, cases []refusal) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			in := r.on(t)
			namespace := c.namespace
			if namespace == "" {
				namespace = nex.DefaultNamespace
			}
			in.refused(nex.OpDeploy, in.send(nex.OpDeploy, namespace, c.body(in)), c.code, c.text)
			in.unharmed()
		})
	}
}

// refusal is a deploy request and what must come of it.
type refusal struct {
	name      string
	namespace string // default if empty
	body      func(*rig) []byte
	code      nex.Code
	text      string
}

func fixed(body []byte) func(*rig) []byte { return func(*rig) []byte { return body } }

// changed is a request that is signed as it should be after a change.
func changed(change func(*rig, *nex.DeployRequest)) func(*rig) []byte {
	return func(r *rig) []byte {
		q := r.request()
		change(r, q)
		return r.sign(q, r.issuer, r.claims(q))
	}
}

// named is a request for a workload of that name.
func named(name string) func(*rig) []byte {
	return func(r *rig) []byte {
		q := r.request()
		c := r.claims(q)
		c.Subject = name
		return r.sign(q, r.issuer, c)
	}
}

func TestMalformedRequests(t *testing.T) {
	t.Parallel()
	r := start(t, func(s *setup) { s.nats = func(o *server.Options) { o.MaxPayload = 16 << 20 } })
	large := []byte(`{"type":"native","argv":["` + strings.Repeat("x", 8<<20) + `"]}`)
	testRefusals(t, r, []refusal{
		{name: "nothing", body: fixed(nil), code: nex.CodeInvalidRequest, text: "empty"},
		{name: "no JSON", body: fixed([]byte("\x00\xff{")), code: nex.CodeInvalidRequest, text: "not JSON"},
		{name: "half of it", body: fixed([]byte(`{"type":"native","loc`)), code: nex.CodeInvalidRequest, text: "JSON"},
		{name: "an array", body: fixed([]byte(`[]`)), code: nex.CodeInvalidRequest, text: "expected an object"},
		{name: "null", body: fixed([]byte(`null`)), code: nex.CodeInvalidRequest, text: "type is missing"},
		{name: "8 MiB", body: fixed(large), code: nex.CodeRequestTooLarge, text: "more than the 1048576 allowed"},
		{
			name: "unknown type", code: nex.CodeUnsupportedType, text: "Unsupported workload type on this node: cobol",
			body: changed(func(_ *rig, q *nex.DeployRequest) { q.Type = "cobol" }),
		},
		{
			name: "triggers of a native program", code: nex.CodeUnsupportedTrigger,
			text: "Unsupported workload type for trigger subject registration: native",
			body: changed(func(_ *rig, q *nex.DeployRequest) { q.TriggerSubjects = []string{"a.b"} }),
		},
		{
			name: "triggers of the NATS server", code: nex.CodeUnsupportedTrigger, text: "native",
			body: changed(func(_ *rig, q *nex.DeployRequest) { q.TriggerSubjects = []string{"$SYS.>"} }),
		},
		{
			name: "trigger that is no subject", code: nex.CodeInvalidRequest, text: `trigger subject "a..b"`,
			body: changed(func(_ *rig, q *nex.DeployRequest) { q.TriggerSubjects = []string{"a..b"} }),
		},
		{
			name: "another node's", code: nex.CodeWrongNode, text: "the request is for another node",
			body: changed(func(r *rig, q *nex.DeployRequest) { q.TargetNode = public(r, newKey(r, nkeys.CreateServer)) }),
		},
		{
			name: "unknown scheme", code: nex.CodeInvalidRequest, text: "the scheme must be",
			body: changed(func(_ *rig, q *nex.DeployRequest) { q.Location.Scheme = "gopher" }),
		},
		{
			name: "environment for another node", code: nex.CodeEnvironmentUnreadable,
			text: "Failed to decrypt environment for deploy request: ",
			body: changed(func(r *rig, q *nex.DeployRequest) {
				sealTo(r, q, public(r, newKey(r, nkeys.CreateCurveKeys)), `{"A":"b"}`)
			}),
		},
		{
			name: "environment that is no map", code: nex.CodeEnvironmentUnreadable, text: "not a JSON map of strings",
			body: changed(func(r *rig, q *nex.DeployRequest) { sealTo(r, q, r.node.TargetXkey, `{"A":1}`) }),
		},
		{
			name: "environment that is not base64", code: nex.CodeEnvironmentUnreadable, text: "not base64",
			body: changed(func(r *rig, q *nex.DeployRequest) { q.Environment, q.SenderPublicKey = "%", public(r, r.xkey) }),
		},
	})
}

func public(t testing.TB, pair nkeys.KeyPair) string {
	t.Helper()
	key, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sealTo puts an environment into the request.
func sealTo(r *rig, q *nex.DeployRequest, xkey, plain string) {
	r.Helper()
	sealed, err := r.xkey.Seal([]byte(plain), xkey)
	if err != nil {
		r.Fatal(err)
	}
	q.Environment, q.SenderPublicKey = base64.StdEncoding.EncodeToString(sealed), public(r, r.xkey)
}

func TestBadNames(t *testing.T) {
	t.Parallel()
	r := start(t)
	long := strings.Repeat("n", 300)
	testRefusals(t, r, []refusal{
		{name: "slash", body: named("a/b"), code: nex.CodeInvalidName, text: `"a/b"`},
		{name: "way up", body: named("../../etc"), code: nex.CodeInvalidName, text: "use only letters"},
		{name: "dots", body: named(".."), code: nex.CodeInvalidName, text: "use only letters"},
		{name: "space", body: named("a b"), code: nex.CodeInvalidName, text: "use only letters"},
		{name: "wildcard", body: named("*"), code: nex.CodeInvalidName, text: "use only letters"},
		{name: "300 characters", body: named(long), code: nex.CodeInvalidName, text: "it has 300 characters"},
		{
			name: "system namespace", namespace: nex.SystemNamespace, code: nex.CodeInvalidNamespace, text: "is reserved",
			body: changed(func(*rig, *nex.DeployRequest) {}),
		},
		{
			name: "wildcard namespace", namespace: "*", code: nex.CodeInvalidNamespace, text: "use only letters",
			body: changed(func(*rig, *nex.DeployRequest) {}),
		},
		{
			name: "rest namespace", namespace: ">", code: nex.CodeInvalidNamespace, text: "use only letters",
			body: changed(func(*rig, *nex.DeployRequest) {}),
		},
		{
			name: "long namespace", namespace: long, code: nex.CodeInvalidNamespace, text: "it has 300 characters",
			body: changed(func(*rig, *nex.DeployRequest) {}),
		},
	})
	t.Run("empty namespace", func(t *testing.T) {
		body := changed(func(*rig, *nex.DeployRequest) {})(r)
		_, err := r.nc.Request("$NEX.DEPLOY.."+r.node.NodeID, body, patience)
		if !errors.Is(err, nats.ErrNoResponders) && !errors.Is(err, nats.ErrBadSubject) {
			t.Errorf("request on a subject with an empty namespace: %v, want nobody to answer", err)
		}
		r.unharmed()
	})
}

// TestClientRefusesBadNames shows that nothing of them is sent.
func TestClientRefusesBadNames(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, name := range []string{"", "a/b", "..", "a b", "*", strings.Repeat("n", 300)} {
		if _, err := r.client.Deploy(t.Context(), r.testprog(name)); nex.CodeOf(err) != nex.CodeInvalidName {
			t.Errorf("deploy %.20q: %v, want code %s", name, err, nex.CodeInvalidName)
		}
		if name == "" {
			continue // which means default
		}
		c := client.New(r.nc, client.Config{Namespace: name})
		if _, err := c.Deploy(t.Context(), r.testprog("prog")); nex.CodeOf(err) != nex.CodeInvalidNamespace {
			t.Errorf("deploy to namespace %.20q: %v, want code %s", name, err, nex.CodeInvalidNamespace)
		}
	}
	r.unharmed()
}

func TestLameDuckNodeTakesNothing(t *testing.T) {
	t.Parallel()
	r := start(t)
	d := r.testprog("prog", "wait")
	id := r.deploy(d)
	if answer, err := r.client.LameDuck(t.Context(), r.node.NodeID, "", nil); err != nil || !answer.Success {
		t.Fatalf("LameDuck = %+v, %v", answer, err)
	}
	_, err := r.client.Deploy(t.Context(), d)
	if !errors.Is(err, nex.ErrLameDuck) || err.Error() != "Node is in lame duck mode. Workload deploy request denied" {
		t.Errorf("deploy to a lame duck: %v", err)
	}
	r.awaitState(id, nex.StateRunning)
	r.undeploy(d, id)
	r.clean()
}

func TestFullNodeTakesNothing(t *testing.T) {
	t.Parallel()
	r := start(t, func(s *setup) { s.NodeLimits.MaxWorkloads = 1 })
	d := r.testprog("prog", "wait")
	id := r.deploy(d)
	_, err := r.client.Deploy(t.Context(), d)
	if !errors.Is(err, nex.ErrNodeFull) || err.Error() != "Node is at maximum workload limit. Deploy request denied" {
		t.Errorf("deploy to a full node: %v", err)
	}
	bids, err := r.client.Auction(t.Context(), nex.AuctionRequest{})
	if err != nil || len(bids) != 0 {
		t.Errorf("Auction = %v, %v, want no bid of a full node", bids, err)
	}
	r.undeploy(d, id)
	r.unharmed()
}
