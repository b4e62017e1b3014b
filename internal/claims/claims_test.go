package claims_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/nex-engine/nex/internal/claims"
)

func TestSignThenParse(t *testing.T) {
	key, public := pair(t, nkeys.CreateAccount)
	signing := claims.Claims{Subject: "echo", Hash: digest, Node: nodeID, Namespace: namespace, Request: "r", Workload: "w1"}
	before := time.Now().Truncate(time.Second)
	got, err := claims.Parse(sign(t, key, signing))
	if err != nil {
		t.Fatal(err)
	}
	if got.Subject != "echo" || got.Hash != digest || got.Node != nodeID || got.Namespace != namespace || got.Request != "r" || got.Workload != "w1" {
		t.Errorf("claims = %+v, want %+v", got, signing)
	}
	if got.Issuer != public || got.ID == "" || !got.NotBefore.IsZero() {
		t.Errorf("issuer %s, id %q, not before %v", got.Issuer, got.ID, got.NotBefore)
	}
	if got.Issued.Before(before) || got.Issued.After(time.Now()) {
		t.Errorf("issued at %v, after %v", got.Issued, before)
	}
	if life := got.Expires.Sub(got.Issued); life < claims.Lifetime || life > claims.Lifetime+time.Second {
		t.Errorf("valid for %v, want %v", life, claims.Lifetime)
	}
}

func TestSignRefuses(t *testing.T) {
	key, public := pair(t, nkeys.CreateAccount)
	if token, err := claims.Sign(key, claims.Claims{Hash: digest}); err == nil {
		t.Errorf("signed claims without subject: %s", token)
	}
	publicOnly, err := nkeys.FromPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	if token, err := claims.Sign(publicOnly, startClaims()); err == nil {
		t.Errorf("signed without the seed: %s", token)
	}
}

func TestBound(t *testing.T) {
	full := claims.Claims{Node: nodeID, Namespace: namespace, Expires: time.Now()}
	if !full.Bound() {
		t.Error("claims with node, namespace and expiry are not bound")
	}
	for name, loosen := range map[string]func(*claims.Claims){
		"node":      func(c *claims.Claims) { c.Node = "" },
		"namespace": func(c *claims.Claims) { c.Namespace = "" },
		"expiry":    func(c *claims.Claims) { c.Expires = time.Time{} },
	} {
		c := full
		if loosen(&c); c.Bound() {
			t.Errorf("claims without %s are bound", name)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	key, public := pair(t, nkeys.CreateAccount)
	other, otherPublic := pair(t, nkeys.CreateAccount)
	user, _ := pair(t, nkeys.CreateUser)
	operator, _ := pair(t, nkeys.CreateOperator)
	good := sign(t, key, startClaims())
	parts := strings.Split(good, ".")
	otherParts := strings.Split(sign(t, key, startClaims()), ".")
	header, payload := `{"typ":"JWT","alg":"ed25519-nkey"}`, `{"sub":"echo","iss":"`+public+`","jti":"id","iat":1}`

	tests := []struct{ name, token, says string }{
		{"empty", "", "not a JWT"},
		{"one part", "abc", "not a JWT"},
		{"two parts", parts[0] + "." + parts[1], "signature"},
		{"four parts", good + ".x", "signature"},
		{"no signature", parts[0] + "." + parts[1] + ".", "signature"},
		{"short signature", good[:len(good)-4], "signature"},
		{"signature of other claims", parts[0] + "." + parts[1] + "." + otherParts[2], "signature"},
		{"claims of another token", parts[0] + "." + otherParts[1] + "." + parts[2], "signature"},
		{"signature by somebody else", signed(t, other, header, payload), "signature"},
		{"another issuer's name", forge(t, key, object{"iss": otherPublic}), "signature"},
		{"header with another case", signed(t, key, `{"typ":"JWT","alg":"ED25519-NKEY"}`, payload), "algorithm"},
		{"older algorithm", signed(t, key, `{"typ":"JWT","alg":"ed25519"}`, payload), "algorithm"},
		{"no algorithm", signed(t, key, `{"typ":"JWT"}`, payload), "algorithm"},
		{"algorithm none", signed(t, key, `{"typ":"JWT","alg":"none"}`, payload), "algorithm"},
		{"algorithm none, unsigned", part(`{"typ":"JWT","alg":"none"}`) + "." + part(payload) + ".", "algorithm"},
		{"algorithm of the web", signed(t, key, `{"typ":"JWT","alg":"HS256"}`, payload), "algorithm"},
		{"algorithm no string", signed(t, key, `{"typ":"JWT","alg":["ed25519-nkey"]}`, payload), "algorithm"},
		{"algorithm changed afterwards", part(`{"typ":"JWT","alg":"ed25519-nkey","x":1}`) + "." + parts[1] + "." + parts[2], "signature"},
		{"type no JWT", signed(t, key, `{"typ":"JWE","alg":"ed25519-nkey"}`, payload), "signature"},
		{"header no JSON", signed(t, key, `JWT`, payload), "algorithm"},
		{"header no base64", "!." + parts[1] + "." + parts[2], "not a JWT"},
		{"claims no JSON", signed(t, key, header, `claims`), "signature"},
		{"claims null", signed(t, key, header, `null`), "signature"},
		{"claims of wrong types", forge(t, key, object{"iat": "now"}), "signature"},
		{"user key", sign(t, user, startClaims()), "not an account key"},
		{"operator key", sign(t, operator, startClaims()), "not an account key"},
		{"issuer with line break", forge(t, key, object{"iss": public[:20] + "\n" + public[20:]}), "not an account key"},
		{"no issuer", forge(t, key, object{"iss": ""}), "signature"},
		{"no subject", forge(t, key, object{"sub": ""}), "no subject"},
		{"no id", forge(t, key, object{"jti": ""}), "no id"},
		{"no time of issue", forge(t, key, object{"iat": 0}), "when it was issued"},
		{"issued before time began", forge(t, key, object{"iat": -1}), "when it was issued"},
		{"too long", forge(t, key, object{"aud": strings.Repeat("x", 16<<10)}), "longer than 16384 bytes"},
		{"far too long", strings.Repeat("x", 1<<20), "longer than 16384 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := claims.Parse(tt.token)
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("Parse = %+v, %v, want an error that says %q", got, err, tt.says)
			}
		})
	}
}

func TestParseTolerates(t *testing.T) {
	key, _ := pair(t, nkeys.CreateAccount)
	for name, change := range map[string]object{
		"unknown claims":           {"colour": "blue"},
		"no data":                  {"nats": nil},
		"data of other types":      {"nats": object{"hash": 1, "node": []int{1}, "namespace": nil}},
		"audience":                 {"aud": "somebody"},
		"long, but not over bound": {"aud": strings.Repeat("x", 8<<10)},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := claims.Parse(forge(t, key, change)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestIsDigest(t *testing.T) {
	for s, want := range map[string]bool{
		digest: true, "": false, digest[1:]: false, digest + "0": false,
		strings.ToUpper(digest): false, strings.Repeat("g", 64): false, strings.Repeat("ä", 32): false, digest[:63] + "\n": false,
	} {
		if got := claims.IsDigest(s); got != want {
			t.Errorf("IsDigest(%q) = %v, want %v", s, got, want)
		}
	}
}
