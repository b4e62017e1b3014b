package claims_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/claims"
)

// What was used is not let through again because the clock was ahead for a while, in which it seemed to have
// expired: when the node started, or had seen many others. Each bubble of synctest begins at the same time, so
// that the next one's clock is behind.
func TestClockThatWasAhead(t *testing.T) {
	key, _ := pair(t, nkeys.CreateAccount)
	for name, ahead := range map[string]func(*testing.T, string){
		"node starts": func(t *testing.T, path string) { openSeen(t, path) },
		"many deploys": func(t *testing.T, path string) {
			s := openSeen(t, path)
			for i := range 5000 {
				add(t, s, fmt.Sprint(i), time.Now().Add(-time.Minute).Add(time.Duration(i)*time.Second), true)
			}
		},
	} {
		for kind, make := range map[string]func(*testing.T) string{
			"bound":   func(t *testing.T) string { return sign(t, key, startClaims()) },
			"classic": func(t *testing.T) string { return classic(t, key, "echo", digest) },
		} {
			t.Run(name+", "+kind, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "seen")
				var token string
				synctest.Test(t, func(t *testing.T) {
					token = make(t)
					want(t, start(at(t, path), token), "", "")
				})
				synctest.Test(t, func(t *testing.T) {
					time.Sleep(24 * time.Hour)
					ahead(t, path)
				})
				b, err := os.ReadFile(path)
				if err != nil || len(b) == 0 {
					t.Fatalf("the file is %q, %v", b, err)
				}
				for range 2 { // and again after another start
					synctest.Test(t, func(t *testing.T) {
						want(t, start(at(t, path), token), nex.CodeClaimsReplayed, "used before")
					})
				}
			})
		}
	}
}

// Whoever signs anew is let through, as soon as the clock is past the second of what was forgotten.
func TestClockThatWasAheadLocksNobodyOut(t *testing.T) {
	key, _ := pair(t, nkeys.CreateAccount)
	path := filepath.Join(t.TempDir(), "seen")
	synctest.Test(t, func(t *testing.T) { want(t, start(at(t, path), sign(t, key, startClaims())), "", "") })
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(20 * 365 * 24 * time.Hour)
		openSeen(t, path)
	})
	synctest.Test(t, func(t *testing.T) {
		v := at(t, path)
		token := sign(t, key, startClaims()) // of the same second: it is not known whether it was used
		want(t, start(v, token), nex.CodeClaimsReplayed, "because the node's clock was ahead")
		time.Sleep(time.Second)
		want(t, start(v, token), nex.CodeClaimsReplayed, "sign the request anew")
		want(t, start(v, sign(t, key, startClaims())), "", "")
	})
}

// at is the verifier of a node that starts with what an earlier one has seen.
func at(t *testing.T, path string) *claims.Verifier {
	t.Helper()
	return &claims.Verifier{Node: nodeID, Seen: openSeen(t, path)}
}
