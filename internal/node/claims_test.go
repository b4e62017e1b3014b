package node_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/claims"
)

// classic are claims as version 1 clients sign them.
func (r *rig) classic() claims.Claims {
	return claims.Claims{Subject: "prog", Hash: r.testprog("prog").Digest}
}

// byHand signs what claims.Sign would not.
func (r *rig) byHand(q *nex.DeployRequest, edit func(*jwt.GenericClaims)) []byte {
	r.Helper()
	c := r.claims(q)
	g := jwt.NewGenericClaims(c.Subject)
	g.Data = map[string]any{"hash": c.Hash, "node": c.Node, "namespace": c.Namespace, "request": c.Request}
	g.Expires = time.Now().Add(time.Minute).Unix()
	edit(g)
	token, err := g.Encode(r.issuer)
	if err != nil {
		r.Fatal(err)
	}
	return r.encode(q, token)
}

// resigned is a request whose claims are others than they should be.
func resigned(change func(*rig, *claims.Claims)) func(*rig) []byte {
	return func(r *rig) []byte {
		q := r.request()
		c := r.claims(q)
		change(r, &c)
		return r.sign(q, r.issuer, c)
	}
}

// forged is a request whose token was changed after it was signed.
func forged(change func(r *rig, parts []string)) func(*rig) []byte {
	return func(r *rig) []byte {
		q := r.request()
		token, err := claims.Sign(r.issuer, r.claims(q))
		if err != nil {
			r.Fatal(err)
		}
		parts := strings.Split(token, ".")
		change(r, parts)
		return r.encode(q, strings.Join(parts, "."))
	}
}

func TestBadClaims(t *testing.T) {
	t.Parallel()
	yes := true
	r := start(t, func(s *setup) { s.RequireBoundClaims = &yes })
	other := public(t, newKey(t, nkeys.CreateServer))
	testRefusals(t, r, []refusal{
		{name: "none", body: func(r *rig) []byte { return r.encode(r.request(), "") }, code: nex.CodeInvalidClaims, text: "workload_jwt is missing"},
		{name: "no token", body: func(r *rig) []byte { return r.encode(r.request(), "a.b.c") }, code: nex.CodeInvalidClaims, text: "not a JWT"},
		{
			name: "expired", code: nex.CodeClaimsExpired, text: "expired",
			body: func(r *rig) []byte {
				return r.byHand(r.request(), func(g *jwt.GenericClaims) { g.Expires = time.Now().Add(-time.Minute).Unix() })
			},
		},
		{
			name: "valid for too long", code: nex.CodeClaimsExpired, text: "valid for more than",
			body: func(r *rig) []byte {
				return r.byHand(r.request(), func(g *jwt.GenericClaims) { g.Expires = time.Now().AddDate(1, 0, 0).Unix() })
			},
		},
		{
			name: "not valid yet", code: nex.CodeClaimsExpired, text: "not valid yet",
			body: func(r *rig) []byte {
				return r.byHand(r.request(), func(g *jwt.GenericClaims) { g.NotBefore = time.Now().Add(30 * time.Minute).Unix() })
			},
		},
		{
			name: "forged signature", code: nex.CodeInvalidClaims, text: "signature",
			body: forged(func(_ *rig, p []string) { p[2] = base64.RawURLEncoding.EncodeToString(make([]byte, 64)) }),
		},
		{
			name: "forged content", code: nex.CodeInvalidClaims, text: "signature",
			body: forged(func(r *rig, p []string) {
				b, err := base64.RawURLEncoding.DecodeString(p[1])
				if err != nil {
					r.Fatal(err)
				}
				p[1] = base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(b), `"prog"`, `"grog"`, 1)))
			}),
		},
		{
			name: "without algorithm", code: nex.CodeInvalidClaims, text: "algorithm",
			body: forged(func(_ *rig, p []string) {
				p[0], p[2] = base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"none"}`)), ""
			}),
		},
		{
			name: "signed by a user", code: nex.CodeInvalidClaims, text: "not an account key",
			body: func(r *rig) []byte {
				q := r.request()
				return r.sign(q, newKey(r, nkeys.CreateUser), r.claims(q))
			},
		},
		{
			name: "for another node", code: nex.CodeInvalidClaims, text: "another node",
			body: resigned(func(_ *rig, c *claims.Claims) { c.Node = other }),
		},
		{
			name: "for another namespace", code: nex.CodeInvalidClaims, text: "another namespace",
			body: resigned(func(_ *rig, c *claims.Claims) { c.Namespace = "sample" }),
		},
		{
			name: "for another request", code: nex.CodeInvalidClaims, text: "another deploy request",
			body: resigned(func(r *rig, c *claims.Claims) {
				q := r.request()
				q.Argv = []string{"stubborn"}
				c.Request = q.Digest()
			}),
		},
		{
			name: "for no request", code: nex.CodeInvalidClaims, text: "sign data.request",
			body: resigned(func(_ *rig, c *claims.Claims) { c.Request = "" }),
		},
		{
			name: "without digest", code: nex.CodeInvalidClaims, text: "data.hash is not a sha256",
			body: resigned(func(_ *rig, c *claims.Claims) { c.Hash = "see below" }),
		},
		{
			name: "not bound", code: nex.CodeUnboundClaims, text: "require_bound_claims",
			body: func(r *rig) []byte { return r.sign(r.request(), r.issuer, r.classic()) },
		},
	})
}

func TestClaimsCountOnce(t *testing.T) {
	t.Parallel()
	r := start(t)
	q := r.request()
	body := r.sign(q, r.issuer, r.claims(q))
	var answer nex.RunResponse
	reply := r.send(nex.OpDeploy, nex.DefaultNamespace, body)
	if err := nex.DecodeReply(nex.RunResponseType, reply.Data, &answer); err != nil {
		t.Fatalf("first use: %v", err)
	}
	d := r.testprog("prog")
	r.refused(nex.OpDeploy, r.send(nex.OpDeploy, nex.DefaultNamespace, body), nex.CodeClaimsReplayed, "used before")
	r.undeploy(d, answer.ID)
	r.refused(nex.OpDeploy, r.send(nex.OpDeploy, nex.DefaultNamespace, body), nex.CodeClaimsReplayed, "used before")

	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r.run() // the same node again
	r.refused(nex.OpDeploy, r.send(nex.OpDeploy, nex.DefaultNamespace, body), nex.CodeClaimsReplayed, "used before")
	r.unharmed()
}

func TestOnlyValidIssuers(t *testing.T) {
	t.Parallel()
	welcome := newKey(t, nkeys.CreateAccount)
	r := start(t, func(s *setup) { s.ValidIssuers = []string{public(t, welcome)} })
	r.deployFails(r.testprog("prog"), nex.CodeInvalidIssuer, "invalid workload issuer: "+public(t, r.issuer))
	_, err := r.client.LameDuck(t.Context(), r.node.NodeID, "", r.issuer)
	if nex.CodeOf(err) != nex.CodeInvalidIssuer {
		t.Errorf("lame duck by somebody else: %v, want code %s", err, nex.CodeInvalidIssuer)
	}
	r.issuer = welcome
	r.unharmed()
}

func TestClassicClaimsWhereTheyAreAllowed(t *testing.T) {
	t.Parallel()
	no := false
	r := start(t, func(s *setup) { s.RequireBoundClaims = &no })
	q := r.request()
	location, err := json.Marshal(map[string]any{"Scheme": "file", "Path": q.Location.Path, "RawPath": "", "User": nil})
	if err != nil {
		t.Fatal(err)
	}
	token, err := claims.Sign(r.issuer, r.classic())
	if err != nil {
		t.Fatal(err)
	}
	body := `{"type":"native","argv":["wait"],"location":` + string(location) + `,"workload_jwt":"` + token + `","target_node":"` + r.node.NodeID + `"}`
	var answer nex.RunResponse
	if err := nex.DecodeReply(nex.RunResponseType, r.send(nex.OpDeploy, nex.DefaultNamespace, []byte(body)).Data, &answer); err != nil {
		t.Fatal(err)
	}
	if token, err = claims.Sign(r.issuer, claims.Claims{Subject: "prog"}); err != nil {
		t.Fatal(err)
	}
	body = `{"workload_id":"` + answer.ID + `","workload_jwt":"` + token + `","target_node":"` + r.node.NodeID + `"}`
	if err := nex.DecodeReply(nex.StopResponseType, r.send(nex.OpStop, nex.DefaultNamespace, []byte(body)).Data, nil); err != nil {
		t.Fatal(err)
	}
	r.unharmed()
}
