package claims_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/claims"
)

// fixedKey is the same in every run, so that what the fuzzer finds can be found again.
func fixedKey(t testing.TB) nkeys.KeyPair {
	t.Helper()
	key, err := nkeys.FromRawSeed(nkeys.PrefixByteAccount, make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func FuzzParse(f *testing.F) {
	key := fixedKey(f)
	payload := `{"sub":"echo","iss":"x","jti":"id","iat":1}`
	f.Add(forge(f, key, object{"iat": 1}))
	f.Add(signed(f, key, `{"typ":"JWT","alg":"ed25519"}`, payload))
	f.Add(signed(f, key, `{"typ":"JWT","alg":"ed25519-nkey"}`, `null`))
	f.Add("a.b.c")
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		c, err := claims.Parse(token)
		if err != nil {
			return
		}
		sound(t, c)
	})
}

// FuzzVerify signs whatever the claims are, to get past the signature.
func FuzzVerify(f *testing.F) {
	key := fixedKey(f)
	public, err := key.PublicKey()
	if err != nil {
		f.Fatal(err)
	}
	base := `"iss":"` + public + `","jti":"id"`
	f.Add(`{`+base+`,"sub":"echo","iat":1}`, false)
	f.Add(`{`+base+`,"sub":"echo","iat":9999999999,"exp":-62135596800,"nats":{"hash":"`+digest+`"}}`, false)
	f.Add(`{`+base+`,"sub":"echo","iat":1e300,"nats":null}`, true)
	f.Add(`{`+base+`,"sub":"","iat":1,"nats":{"node":1,"namespace":{}},"tags":["a"],"type":"user"}`, true)
	f.Add(`null`, true)
	seen, err := claims.OpenSeen(filepath.Join(f.TempDir(), "seen"))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = seen.Close() })
	f.Fuzz(func(t *testing.T, payload string, require bool) {
		token := signed(t, key, `{"typ":"JWT","alg":"ed25519-nkey"}`, payload)
		v := &claims.Verifier{Node: nodeID, RequireBound: require, AllowUnverified: true, Seen: seen}
		r := deployRequest()
		r.WorkloadJWT = token
		c, err := v.Start(r, namespace)
		if err != nil {
			var refusal *nex.Error
			if !errors.As(err, &refusal) {
				t.Fatalf("refused without a code: %v", err)
			}
			return
		}
		sound(t, c)
		if require && !c.Bound() || (c.Node != "" && c.Node != nodeID) || (c.Request != "" && c.Request != r.Digest()) {
			t.Fatalf("accepted %+v", c)
		}
		if c.Issued.After(time.Now().Add(2 * time.Minute)) {
			t.Fatalf("accepted from the future: %+v", c)
		}
		if _, err := v.Start(r, namespace); nex.CodeOf(err) != nex.CodeClaimsReplayed {
			t.Fatalf("accepted twice: %v", err)
		}
	})
}

func sound(t *testing.T, c *claims.Claims) {
	t.Helper()
	if !nkeys.IsValidPublicAccountKey(c.Issuer) || len(c.Issuer) != 56 || c.Subject == "" || c.ID == "" {
		t.Fatalf("parsed %+v", c)
	}
}
