package claims_test

import (
	"errors"
	"maps"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
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

// seenLine is a line of claims.
var seenLine = regexp.MustCompile(`^([0-9]{1,18}) ([0-9a-f]{64})\n$`)

// FuzzSeen reads whatever is in the file: each line of it is known, also when it was written again.
func FuzzSeen(f *testing.F) {
	f.Add([]byte("4000000000 " + digest + "\n"))
	f.Add([]byte("1700000000 " + digest + "\n1700000000 forgotten\n4000000000 x"))
	f.Add([]byte("-1 forgotten\n\x00\n \n9223372036854775807 forgotten\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		until, forgotten, encoded, err := claims.DecodeSeen(file)
		if err != nil || forgotten < 0 {
			t.Fatalf("%d, %v", forgotten, err)
		}
		for line := range strings.Lines(string(file)) {
			if m := seenLine.FindStringSubmatch(line); m != nil {
				if n, err := strconv.ParseInt(m[1], 10, 64); err != nil || until[m[2]] < n {
					t.Fatalf("the claims %s expire at %d, want %d", m[2], until[m[2]], n)
				}
			}
		}
		untilAgain, forgottenAgain, _, err := claims.DecodeSeen(encoded)
		if err != nil || forgottenAgain != forgotten || !maps.Equal(untilAgain, until) {
			t.Fatalf("written again it is %v %d, %v, it was %v %d", untilAgain, forgottenAgain, err, until, forgotten)
		}
	})
}

func sound(t *testing.T, c *claims.Claims) {
	t.Helper()
	if !nkeys.IsValidPublicAccountKey(c.Issuer) || len(c.Issuer) != 56 || c.Subject == "" || c.ID == "" {
		t.Fatalf("parsed %+v", c)
	}
}
