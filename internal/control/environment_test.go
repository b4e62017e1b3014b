package control_test

import (
	"encoding/base64"
	"maps"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/control"
)

// seal seals an environment to the rig's node and returns the sender's public xkey with it.
func (r *rig) seal(environment any) (text, sender string) {
	r.t.Helper()
	return sealTo(r.t, r.sender, r.xkey, encode(r.t, environment)), r.public(r.sender)
}

func sealTo(t testing.TB, sender nkeys.KeyPair, recipient string, plain []byte) string {
	t.Helper()
	sealed, err := sender.Seal(plain, recipient)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(sealed)
}

func TestEnvironmentRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, stranger := pair(t, nkeys.CreateCurveKeys)
	good, sender := r.seal(map[string]string{"A": "1"})
	sealed := func(v any) string { text, _ := r.seal(v); return text }
	cut, err := base64.StdEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	const (
		notSealed = "it was not sealed by sender_public_key to this node's xkey"
		notMap    = "it is not a JSON map of strings"
		badName   = "a name is empty or has an =, or there is a NUL character"
	)
	tests := []struct{ name, text, sender, why string }{
		{"not base64", "???", sender, "it is not base64"},
		{"not sealed", base64.StdEncoding.EncodeToString([]byte(`{"A":"1"}`)), sender, notSealed},
		{"too short", base64.StdEncoding.EncodeToString([]byte("xkv1")), sender, notSealed},
		{"cut", base64.StdEncoding.EncodeToString(cut[:len(cut)-1]), sender, notSealed},
		{"by another", good, stranger, notSealed},
		{"to another", sealTo(t, r.sender, stranger, []byte(`{"A":"1"}`)), sender, notSealed},
		{"sender's checksum", good, "X" + strings.Repeat("A", 55), notSealed},
		{"no JSON", sealed("A=1"), sender, notMap},
		{"no map", sealed([]any{"A", "1"}), sender, notMap},
		{"number", sealed(map[string]any{"A": 1}), sender, notMap},
		{"empty name", sealed(map[string]string{"": "1"}), sender, badName},
		{"name with =", sealed(map[string]string{"A=B": "1"}), sender, badName},
		{"name with NUL", sealed(map[string]string{"A\x00": "1"}), sender, badName},
		{"value with NUL", sealed(map[string]string{"A": "1\x00"}), sender, badName},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r.t = t
			request := r.deployment(func(d *nex.DeployRequest) { d.Environment, d.SenderPublicKey = tt.text, tt.sender })
			r.wantRefusal(r.ask(r.subject(nex.OpDeploy), request), nex.OpDeploy, nex.CodeEnvironmentUnreadable,
				"Failed to decrypt environment for deploy request: "+tt.why)
		})
	}
	for _, sent := range r.work.deployed() {
		t.Errorf("deployed with environment %v", sent.Environment)
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	type env = map[string]string
	for _, sent := range []env{nil, {"A": "1"}, {"A_b.1": "ä\n=€ \"", "EMPTY": ""}} {
		r := newRig(t)
		r.ask(r.subject(nex.OpDeploy), r.deployment(func(d *nex.DeployRequest) {
			if sent != nil {
				d.Environment, d.SenderPublicKey = r.seal(sent)
			}
		}))
		specs := r.work.deployed()
		if len(specs) != 1 || !maps.Equal(specs[0].Environment, sent) {
			t.Errorf("deployed %+v, want one with environment %v", specs, sent)
		}
	}
}

// FuzzOpenEnvironment opens what any sender may have sealed: plain is sealed properly if that can be
// done, and text is not sealed at all.
func FuzzOpenEnvironment(f *testing.F) {
	key, public := pair(f, nkeys.CreateCurveKeys)
	sender, senderPublic := pair(f, nkeys.CreateCurveKeys)
	f.Add([]byte(`{"A":"1"}`), "", senderPublic)
	f.Add([]byte(`{"A=":"1"}`), "eGt2MQ==", senderPublic+senderPublic)
	f.Add([]byte("null"), "?", "")
	f.Add([]byte(`{"\u0000":"`), sealTo(f, sender, public, []byte("{}")), "X"+strings.Repeat("A", 55))
	f.Fuzz(func(t *testing.T, plain []byte, text, from string) {
		_, err := control.OpenEnvironment(key, text, from)
		wantUnreadable(t, err)
		environment, err := control.OpenEnvironment(key, sealTo(t, sender, public, plain), senderPublic)
		wantUnreadable(t, err)
		for name, value := range environment {
			if name == "" || strings.ContainsAny(name, "=\x00") || strings.Contains(value, "\x00") {
				t.Errorf("accepted %q=%q", name, value)
			}
		}
	})
}

func wantUnreadable(t *testing.T, err error) {
	t.Helper()
	if err != nil && nex.CodeOf(err) != nex.CodeEnvironmentUnreadable {
		t.Errorf("error %v has code %s, want %s", err, nex.CodeOf(err), nex.CodeEnvironmentUnreadable)
	}
}
