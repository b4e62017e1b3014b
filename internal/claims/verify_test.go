package claims_test

import (
	"path/filepath"
	"testing"

	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/claims"
)

func TestStart(t *testing.T) {
	key, public := pair(t, nkeys.CreateAccount)
	_, foreign := pair(t, nkeys.CreateAccount)
	user, _ := pair(t, nkeys.CreateUser)
	bound := func(change func(*claims.Claims)) string {
		c := startClaims()
		change(&c)
		return sign(t, key, c)
	}
	type v = *claims.Verifier
	tests := []struct {
		name   string
		token  string
		config func(v)
		code   nex.Code
		says   string
	}{
		{"bound", bound(func(c *claims.Claims) {}), nil, "", ""},
		{"bound, where it is not required", bound(func(c *claims.Claims) {}), func(v v) { v.RequireBound = false }, "", ""},
		{"issuer among the valid ones", bound(func(c *claims.Claims) {}), func(v v) { v.ValidIssuers = []string{foreign, public} }, "", ""},
		{"foreign issuer", bound(func(c *claims.Claims) {}), func(v v) { v.ValidIssuers = []string{foreign} }, nex.CodeInvalidIssuer, "invalid workload issuer: " + public},
		{"user key", sign(t, user, startClaims()), nil, nex.CodeInvalidClaims, "not an account key"},
		{"no JWT", "a.b.c", nil, nex.CodeInvalidClaims, "no valid JWT"},

		{"other node", bound(func(c *claims.Claims) { c.Node = "N" + nodeID[2:] + "B" }), nil, nex.CodeInvalidClaims, "another node: sign the request for node " + nodeID},
		{"other namespace", bound(func(c *claims.Claims) { c.Namespace = "sample" }), nil, nex.CodeInvalidClaims, "another namespace"},
		{"other request", bound(func(c *claims.Claims) { c.Request = digest }), nil, nex.CodeInvalidClaims, "another deploy request"},
		{"no node", bound(func(c *claims.Claims) { c.Node = "" }), nil, nex.CodeUnboundClaims, "require_bound_claims"},
		{"no namespace", bound(func(c *claims.Claims) { c.Namespace = "" }), nil, nex.CodeUnboundClaims, "require_bound_claims"},
		{"no request", bound(func(c *claims.Claims) { c.Request = "" }), nil, nex.CodeInvalidClaims, "data.request"},
		{"stop claims", sign(t, key, stopClaims()), nil, nex.CodeInvalidClaims, "data.request"},

		{"invalid name", bound(func(c *claims.Claims) { c.Subject = "../echo" }), nil, nex.CodeInvalidName, "use only"},
		{"hash no digest", bound(func(c *claims.Claims) { c.Hash = "none" }), nil, nex.CodeInvalidClaims, "allow_unverified_artifacts"},
		{"no hash", bound(func(c *claims.Claims) { c.Hash = "" }), nil, nex.CodeInvalidClaims, "allow_unverified_artifacts"},
		{"hash no digest, allowed", bound(func(c *claims.Claims) { c.Hash = "none" }), func(v v) { v.AllowUnverified = true }, "", ""},

		{"classic", classic(t, key, "echo", digest), nil, nex.CodeUnboundClaims, "require_bound_claims"},
		{"classic, allowed", classic(t, key, "echo", digest), func(v v) { v.RequireBound = false }, "", ""},
		{"classic, hash no digest", classic(t, key, "echo", "none"), func(v v) { v.RequireBound = false }, nex.CodeInvalidClaims, "data.hash"},
		{"classic, hash no digest, allowed", classic(t, key, "echo", "none"), func(v v) { v.RequireBound, v.AllowUnverified = false, true }, "", ""},
		{"half bound, other node", forge(t, key, object{"nats": object{"hash": digest, "node": "N"}}), func(v v) { v.RequireBound = false }, nex.CodeInvalidClaims, "another node"},
		{"half bound, other namespace", forge(t, key, object{"nats": object{"hash": digest, "namespace": "x"}}), func(v v) { v.RequireBound = false }, nex.CodeInvalidClaims, "another namespace"},
		{"half bound, other request", forge(t, key, object{"nats": object{"hash": digest, "request": "x"}}), func(v v) { v.RequireBound = false }, nex.CodeInvalidClaims, "another deploy request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := strict(t)
			if tt.config != nil {
				tt.config(v)
			}
			want(t, start(v, tt.token), tt.code, tt.says)
		})
	}
}

func TestStartReturnsTheClaims(t *testing.T) {
	key, public := pair(t, nkeys.CreateAccount)
	r := deployRequest()
	r.WorkloadJWT = sign(t, key, startClaims())
	c, err := strict(t).Start(r, namespace)
	if err != nil || c.Issuer != public || c.Subject != "echo" || c.Hash != digest {
		t.Errorf("claims = %+v, %v", c, err)
	}
}

// A refused token is not used up: what is wrong may be the request or the node's configuration.
func TestRefusedClaimsAreNotUsed(t *testing.T) {
	key, public := pair(t, nkeys.CreateAccount)
	_, foreign := pair(t, nkeys.CreateAccount)
	v, token := strict(t), sign(t, key, startClaims())
	v.ValidIssuers = []string{foreign}
	want(t, start(v, token), nex.CodeInvalidIssuer, "")
	v.ValidIssuers = []string{public}
	want(t, start(v, token), "", "")
}

func TestReplay(t *testing.T) {
	key, _ := pair(t, nkeys.CreateAccount)
	path := filepath.Join(t.TempDir(), "seen")
	v := &claims.Verifier{Node: nodeID, Seen: openSeen(t, path)}
	tokens := map[string]string{
		"bound": sign(t, key, startClaims()), "another for the same": sign(t, key, startClaims()), "classic": classic(t, key, "echo", digest),
	}
	for name, token := range tokens {
		want(t, start(v, token), "", "")
		if err := start(v, token); nex.CodeOf(err) != nex.CodeClaimsReplayed {
			t.Errorf("%s: second use: %v", name, err)
		}
		if err := stop(v, token); err == nil {
			t.Errorf("%s: start claims have stopped something", name)
		}
	}
	if err := v.Seen.Close(); err != nil {
		t.Fatal(err)
	}
	v.Seen = openSeen(t, path)
	for name, token := range tokens {
		if err := start(v, token); nex.CodeOf(err) != nex.CodeClaimsReplayed {
			t.Errorf("%s: use after a restart: %v", name, err)
		}
	}
}

// A version 1 client's token for a stop has the same id as that for a start in the same second.
func TestClassicStopRightAfterStart(t *testing.T) {
	key, _ := pair(t, nkeys.CreateAccount)
	v := lenient(t)
	want(t, start(v, classic(t, key, "echo", digest)), "", "")
	want(t, stop(v, classic(t, key, "echo", "")), "", "")
}

func TestStop(t *testing.T) {
	key, _ := pair(t, nkeys.CreateAccount)
	_, foreign := pair(t, nkeys.CreateAccount)
	bound := func(change func(*claims.Claims)) string {
		c := stopClaims()
		change(&c)
		return sign(t, key, c)
	}
	type v = *claims.Verifier
	tests := []struct {
		name   string
		token  string
		config func(v)
		code   nex.Code
		says   string
	}{
		{"bound", bound(func(c *claims.Claims) {}), nil, "", ""},
		{"other workload", bound(func(c *claims.Claims) { c.Workload = "w2" }), nil, nex.CodeInvalidClaims, "another workload"},
		{"no workload", bound(func(c *claims.Claims) { c.Workload = "" }), nil, nex.CodeInvalidClaims, "data.workload"},
		{"start claims", sign(t, key, startClaims()), nil, nex.CodeInvalidClaims, "data.workload"},
		{"other node", bound(func(c *claims.Claims) { c.Node = "N" }), nil, nex.CodeInvalidClaims, "another node"},
		{"other namespace", bound(func(c *claims.Claims) { c.Namespace = "x" }), nil, nex.CodeInvalidClaims, "another namespace"},
		{"foreign issuer", bound(func(c *claims.Claims) {}), func(v v) { v.ValidIssuers = []string{foreign} }, nex.CodeInvalidIssuer, ""},
		{"classic", classic(t, key, "echo", ""), nil, nex.CodeUnboundClaims, ""},
		{"classic, allowed", classic(t, key, "echo", ""), func(v v) { v.RequireBound = false }, "", ""},
		{"half bound, other workload", forge(t, key, object{"nats": object{"workload": "w2"}}), func(v v) { v.RequireBound = false }, nex.CodeInvalidClaims, "another workload"},
		{"no JWT", "", nil, nex.CodeInvalidClaims, "no valid JWT"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := strict(t)
			if tt.config != nil {
				tt.config(v)
			}
			want(t, stop(v, tt.token), tt.code, tt.says)
		})
	}
}

func TestLameDuck(t *testing.T) {
	key, public := pair(t, nkeys.CreateAccount)
	_, foreign := pair(t, nkeys.CreateAccount)
	token := func(subject, node string) string {
		return sign(t, key, claims.Claims{Subject: subject, Node: node})
	}
	tests := []struct {
		name    string
		token   string
		issuers []string
		code    nex.Code
		says    string
	}{
		{"anybody", "", nil, "", ""},
		{"anybody, with a token that is none", "x", nil, "", ""},
		{"valid issuer", token(nodeID, nodeID), []string{public}, "", ""},
		{"valid issuer, classic claims", classic(t, key, nodeID, ""), []string{public}, "", ""},
		{"no claims", "", []string{public}, nex.CodeInvalidClaims, "valid_issuers"},
		{"no JWT", "x", []string{public}, nex.CodeInvalidClaims, "no valid JWT"},
		{"foreign issuer", token(nodeID, nodeID), []string{foreign}, nex.CodeInvalidIssuer, ""},
		{"other node", token(nodeID, "N"), []string{public}, nex.CodeInvalidClaims, "another node"},
		{"other subject", token("echo", nodeID), []string{public}, nex.CodeInvalidClaims, "subject is not this node"},
		{"start claims", sign(t, key, startClaims()), []string{public}, nex.CodeInvalidClaims, "subject is not this node"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := strict(t)
			v.ValidIssuers = tt.issuers
			want(t, v.LameDuck(&nex.LameDuckRequest{JWT: tt.token}), tt.code, tt.says)
			if tt.code == "" && tt.issuers != nil {
				want(t, v.LameDuck(&nex.LameDuckRequest{JWT: tt.token}), nex.CodeClaimsReplayed, "")
			}
		})
	}
}

// What cannot be remembered must not pass: it could come again.
func TestUnrememberedClaimsAreRefused(t *testing.T) {
	key, _ := pair(t, nkeys.CreateAccount)
	v := strict(t)
	if err := v.Seen.Close(); err != nil {
		t.Fatal(err)
	}
	if err := start(v, sign(t, key, startClaims())); nex.CodeOf(err) != nex.CodeInternal {
		t.Errorf("error = %v, want an internal one", err)
	}
}

// A stop must get through when the disk is full: the workload may be what fills it.
func TestUnrememberedStopPasses(t *testing.T) {
	key, _ := pair(t, nkeys.CreateAccount)
	v := strict(t)
	if err := v.Seen.Close(); err != nil {
		t.Fatal(err)
	}
	r := &nex.StopRequest{WorkloadID: "id", WorkloadJWT: sign(t, key, claims.Claims{Subject: "name", Node: v.Node, Namespace: "default", Workload: "id"})}
	if _, err := v.Stop(r, "default"); err != nil {
		t.Errorf("Stop = %v, want it to pass", err)
	}
	if _, err := v.Stop(r, "default"); nex.CodeOf(err) != nex.CodeClaimsReplayed {
		t.Errorf("the same stop again = %v, want it refused", err)
	}
}
