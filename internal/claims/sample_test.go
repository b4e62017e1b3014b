package claims_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/claims"
)

const namespace = "default"

var (
	nodeID = "N" + strings.Repeat("A", 55)
	digest = strings.Repeat("0123456789abcdef", 4)
)

// pair makes a key.
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

func openSeen(t testing.TB, path string) *claims.Seen {
	t.Helper()
	s, err := claims.OpenSeen(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // some tests have closed it
	return s
}

// strict is the verifier of a node that demands bound claims.
func strict(t testing.TB) *claims.Verifier {
	t.Helper()
	return &claims.Verifier{Node: nodeID, RequireBound: true, Seen: openSeen(t, filepath.Join(t.TempDir(), "seen"))}
}

// lenient is the verifier of a node that accepts classic claims.
func lenient(t testing.TB) *claims.Verifier {
	t.Helper()
	v := strict(t)
	v.RequireBound = false
	return v
}

func deployRequest() *nex.DeployRequest {
	return &nex.DeployRequest{Type: nex.TypeNative, Location: nex.Location{Scheme: "nats", Host: "B", Path: "/k"}, Argv: []string{"x"}}
}

// startClaims are the bound claims of deployRequest.
func startClaims() claims.Claims {
	return claims.Claims{Subject: "echo", Hash: digest, Node: nodeID, Namespace: namespace, Request: deployRequest().Digest()}
}

// stopClaims are bound claims to stop the workload w1.
func stopClaims() claims.Claims {
	return claims.Claims{Subject: "echo", Node: nodeID, Namespace: namespace, Workload: "w1"}
}

func sign(t testing.TB, key nkeys.KeyPair, c claims.Claims) string {
	t.Helper()
	token, err := claims.Sign(key, c)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// classic makes a token as version 1 clients do.
func classic(t testing.TB, key nkeys.KeyPair, name, hash string) string {
	t.Helper()
	g := jwt.NewGenericClaims(name)
	if hash != "" {
		g.Data["hash"] = hash
	}
	token, err := g.Encode(key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

type object map[string]any

// forge makes a token of any claims, properly signed; those not given are as in classic start claims.
func forge(t testing.TB, key nkeys.KeyPair, changes object) string {
	t.Helper()
	public, err := key.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	payload := object{"sub": "echo", "iss": public, "jti": "id", "iat": time.Now().Unix(), "nats": object{"hash": digest}}
	maps.Copy(payload, changes)
	return signed(t, key, `{"typ":"JWT","alg":"ed25519-nkey"}`, encode(t, payload))
}

// signed makes a token of any bytes.
func signed(t testing.TB, key nkeys.KeyPair, header, payload string) string {
	t.Helper()
	text := part(header) + "." + part(payload)
	signature, err := key.Sign([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + part(string(signature))
}

func part(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func encode(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// start verifies a token with deployRequest.
func start(v *claims.Verifier, token string) error {
	r := deployRequest()
	r.WorkloadJWT = token
	_, err := v.Start(r, namespace)
	return err
}

// stop verifies a token with a request to stop w1.
func stop(v *claims.Verifier, token string) error {
	_, err := v.Stop(&nex.StopRequest{WorkloadID: "w1", WorkloadJWT: token}, namespace)
	return err
}

// want checks an error: none if code is "".
func want(t *testing.T, err error, code nex.Code, says string) {
	t.Helper()
	if code == "" {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	var refusal *nex.Error
	if !errors.As(err, &refusal) || refusal.Code != code || !strings.Contains(refusal.Message, says) {
		t.Errorf("error = %v (code %q), want code %q and %q", err, nex.CodeOf(err), code, says)
	}
}
