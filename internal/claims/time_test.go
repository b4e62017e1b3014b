package claims_test

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/claims"
)

// The clock of these tests is synctest's: to sleep costs nothing and is exact.

func TestLifetime(t *testing.T) {
	tests := []struct {
		name string
		make func(*testing.T, nkeys.KeyPair) string
		last time.Duration // after which it is void
	}{
		{"bound", func(t *testing.T, key nkeys.KeyPair) string { return sign(t, key, startClaims()) }, claims.Lifetime},
		{"classic", func(t *testing.T, key nkeys.KeyPair) string { return classic(t, key, "echo", digest) }, time.Hour},
	}
	for _, tt := range tests {
		for _, late := range []bool{false, true} {
			t.Run(tt.name+map[bool]string{false: ", in time", true: ", too late"}[late], func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					key, _ := pair(t, nkeys.CreateAccount)
					v, token := lenient(t), tt.make(t, key)
					time.Sleep(tt.last)
					if !late {
						want(t, start(v, token), "", "")
						return
					}
					time.Sleep(time.Nanosecond)
					want(t, start(v, token), nex.CodeClaimsExpired, "have expired")
				})
			})
		}
	}
}

func TestTimes(t *testing.T) {
	const hour, minute = 3600, 60
	tests := []struct {
		name          string
		iat, exp, nbf int64 // seconds from now; exp and nbf 0 for none
		code          nex.Code
		says          string
	}{
		{"now", 0, minute, 0, "", ""},
		{"clock of the issuer is fast", minute, 2 * minute, 0, "", ""},
		{"issued in the future", minute + 1, 2 * minute, 0, nex.CodeClaimsExpired, "in the future"},
		{"classic, issued in the future", minute + 1, 0, 0, nex.CodeClaimsExpired, "in the future"},
		{"longest", 0, hour, 0, "", ""},
		{"too long", 0, hour + 1, 0, nex.CodeClaimsExpired, "more than 1h0m0s"},
		{"long ago, still valid", -hour, 1, 0, nex.CodeClaimsExpired, "more than 1h0m0s"},
		{"classic", -1, 0, 0, "", ""},
		{"expired", -10, -1, 0, nex.CodeClaimsExpired, "have expired"},
		{"expired before it was issued", 0, -10, 0, nex.CodeClaimsExpired, "have expired"},
		{"not before now", 0, minute, -1, "", ""},
		{"not before soon", 0, hour, minute, "", ""},
		{"not before later", 0, hour, minute + 1, nex.CodeClaimsExpired, "not valid yet"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				key, _ := pair(t, nkeys.CreateAccount)
				now := time.Now().Unix()
				c := object{"iat": now + tt.iat}
				if tt.exp != 0 {
					c["exp"] = now + tt.exp
				}
				if tt.nbf != 0 {
					c["nbf"] = now + tt.nbf
				}
				want(t, start(lenient(t), forge(t, key, c)), tt.code, tt.says)
			})
		})
	}
}

// Seconds at the ends of their range overflow when they are counted from another epoch.
func TestExtremeTimes(t *testing.T) {
	key, _ := pair(t, nkeys.CreateAccount)
	for _, c := range []object{
		{"exp": int64(math.MaxInt64)},
		{"exp": int64(math.MinInt64)},
		{"exp": -1},
		{"iat": int64(math.MaxInt64)},
		{"iat": int64(math.MaxInt64), "exp": int64(math.MaxInt64)},
		{"iat": 1, "exp": int64(math.MaxInt64)},
	} {
		if err := start(lenient(t), forge(t, key, c)); nex.CodeOf(err) != nex.CodeClaimsExpired {
			t.Errorf("%v: %v, want a refusal with code %s", c, err, nex.CodeClaimsExpired)
		}
	}
}

// What was used is remembered for as long as it could be used again.
func TestReplayAtTheLastMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key, _ := pair(t, nkeys.CreateAccount)
		dir := t.TempDir()
		v := &claims.Verifier{Node: nodeID, Seen: openSeen(t, dir+"/seen")}
		token := sign(t, key, startClaims())
		want(t, start(v, token), "", "")
		time.Sleep(claims.Lifetime)
		if err := v.Seen.Close(); err != nil {
			t.Fatal(err)
		}
		v.Seen = openSeen(t, dir+"/seen")
		want(t, start(v, token), nex.CodeClaimsReplayed, "")
		time.Sleep(time.Second)
		want(t, start(v, token), nex.CodeClaimsExpired, "")
	})
}
