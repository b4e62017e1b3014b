package nex_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	nex "github.com/nex-engine/nex"
)

// digestVector is one of testdata/digest.json, which implementations in other languages can test
// themselves against.
type digestVector struct {
	Name      string
	Request   json.RawMessage
	Canonical string
	SHA256    string
}

func digestVectors(t testing.TB) []digestVector {
	t.Helper()
	var vectors []digestVector
	if err := json.Unmarshal(readFile(t, "testdata", "digest.json"), &vectors); err != nil {
		t.Fatal(err)
	}
	return vectors
}

func TestDigestVectors(t *testing.T) {
	for _, v := range digestVectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			r := decoded(t, v.Request)
			sum := sha256.Sum256([]byte(v.Canonical))
			if got := hex.EncodeToString(sum[:]); got != v.SHA256 {
				t.Errorf("the sha256 of the vector's canonical form is %s, not %s", got, v.SHA256)
			}
			if got := r.Digest(); got != v.SHA256 {
				t.Errorf("Digest = %s, want %s of %s", got, v.SHA256, v.Canonical)
			}
		})
	}
}

// decoded parses a request without the checks of a node.
func decoded(t testing.TB, body []byte) *nex.DeployRequest {
	t.Helper()
	var r nex.DeployRequest
	if err := json.Unmarshal(body, &r); err != nil {
		t.Fatal(err)
	}
	return &r
}

// overTheWire is the request as a node sees it.
func overTheWire(t testing.TB, r *nex.DeployRequest) *nex.DeployRequest {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return decoded(t, b)
}

// full has every field set.
func full() *nex.DeployRequest {
	return &nex.DeployRequest{
		Argv: []string{"a", "", "<&>\u2028\u2029\x01\x7f\\u2028"}, Description: "größe", Type: nex.TypeNative,
		Location:  nex.Location{Scheme: "nats", Host: "B", Path: "/a b/größe"},
		Essential: true, WorkloadJWT: "a.b.c", Environment: "eGt2MQ==", JSDomain: "hub",
		SenderPublicKey: xkey, TargetNode: nodeID, TriggerSubjects: []string{"a.>"},
		TriggerConnection: &nex.Connection{URL: "nats://t", UserJWT: "j", UserSeed: "s"},
		HostServices:      &nex.Connection{URL: "nats://h", UserJWT: "j", UserSeed: "s"},
		Restart:           nex.RestartAlways,
		MinSandbox:        nex.SandboxGVisor, MemoryMiB: 512, CPUs: 1.5,
		Egress:     &nex.Egress{Allow: []string{"*.example.com:443"}, Deny: []string{"10.0.0.0/8"}},
		RetryCount: 1, RetriedAt: "now",
	}
}

// unsigned are the fields that the digest does not cover.
var unsigned = map[string]bool{"WorkloadJWT": true, "RetryCount": true, "RetriedAt": true}

func TestDigestCoversEveryField(t *testing.T) {
	base := full()
	digests := map[string]string{base.Digest(): "the request itself"}
	for path, change := range fieldChanges(reflect.TypeFor[nex.DeployRequest](), nil) {
		t.Run(path, func(t *testing.T) {
			r := full()
			change(reflect.ValueOf(r).Elem())
			if reflect.DeepEqual(r, base) {
				t.Fatal("the field was not changed")
			}
			digest := r.Digest()
			if unsigned[path] {
				if digest != base.Digest() {
					t.Error("the digest depends on the field")
				}
				return
			}
			if other, ok := digests[digest]; ok {
				t.Errorf("the digest is that of %s", other)
			}
			digests[digest] = "the one with another " + path
			if got := overTheWire(t, r).Digest(); got != digest {
				t.Errorf("the digest is %s here and %s on the node", digest, got)
			}
		})
	}
}

// fieldChanges returns a way to change each field of a struct type, by path.
func fieldChanges(in reflect.Type, index []int) map[string]func(reflect.Value) {
	all := make(map[string]func(reflect.Value))
	for i := range in.NumField() {
		f := in.Field(i)
		at := append(append([]int{}, index...), i)
		switch {
		case f.Type == reflect.TypeFor[nex.Location]():
			all[f.Name] = func(v reflect.Value) {
				v.FieldByIndex(at).Set(reflect.ValueOf(nex.Location{Scheme: "nats", Host: "B", Path: "/other"}))
			}
		case f.Type.Kind() == reflect.Pointer:
			all[f.Name] = func(v reflect.Value) { v.FieldByIndex(at).SetZero() }
			for name, change := range fieldChanges(f.Type.Elem(), nil) {
				all[f.Name+"."+name] = func(v reflect.Value) { change(v.FieldByIndex(at).Elem()) }
			}
		default:
			all[f.Name] = func(v reflect.Value) { setOther(v.FieldByIndex(at)) }
		}
	}
	return all
}

func setOther(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int:
		v.SetInt(v.Int() + 1)
	case reflect.Float64:
		v.SetFloat(v.Float() / 3) // with as many digits as there are
	case reflect.Slice:
		v.Set(reflect.Append(v, reflect.ValueOf("x")))
	default:
		panic("a field of a new kind: " + v.Type().String())
	}
}

func TestDigestSurvivesTheWire(t *testing.T) {
	located := func(l nex.Location) *nex.DeployRequest { r := full(); r.Location = l; return r }
	parsed := func(text string) *nex.DeployRequest {
		l, err := nex.ParseLocation(text)
		if err != nil {
			t.Fatal(err)
		}
		return located(l)
	}
	tests := []struct {
		name string
		r    *nex.DeployRequest
	}{
		{"full", full()},
		{"zero", &nex.DeployRequest{}},
		{"empty slices", &nex.DeployRequest{Argv: []string{}, TriggerSubjects: []string{}}},
		{"numbers as JSON writes them", &nex.DeployRequest{CPUs: 1e-7, MemoryMiB: 1 << 40}},
		{"large number", &nex.DeployRequest{CPUs: 1e21}},
		{"empty egress", &nex.DeployRequest{Egress: &nex.Egress{}}},
		{"empty connections", &nex.DeployRequest{TriggerConnection: &nex.Connection{}, HostServices: &nex.Connection{}}},
		{"text that is not UTF-8", &nex.DeployRequest{Argv: []string{"\xff", "a\xc3"}, Description: "\x80"}},
		{"half a surrogate pair", &nex.DeployRequest{Description: "\xed\xa0\x80"}},
		{"key that is not UTF-8", parsed("nats://B/%ff")},
		{"key with escapes", parsed("nats://B/a%2Fb%20c")},
		{"key made by hand", located(nex.Location{Scheme: "nats", Host: "B", Path: "no slash?#%"})},
		{"web", parsed("https://example.com/echo?a=b&c=d#frag")},
		{"web with credentials", parsed("https://user:secret@example.com/echo")},
		{"web with empty query", parsed("https://example.com/echo?")},
		{"file", parsed("file:///opt/../echo")},
		{"file without host", located(nex.Location{Scheme: "file", Path: "/opt/echo", OmitHost: true})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want, there := tt.r.Digest(), overTheWire(t, tt.r)
			if got := there.Digest(); got != want {
				t.Errorf("%s here, %s on the node", want, got)
			}
			if got := overTheWire(t, there).Digest(); got != want {
				t.Errorf("%s here, %s on a node that passes it on", want, got)
			}
		})
	}
}

func TestDigestIsOfTheMeaning(t *testing.T) {
	want := decoded(t, readFile(t, "testdata", "classic_deploy.json")).Digest()
	same := func(name string, body []byte) {
		t.Helper()
		if got := decoded(t, body).Digest(); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(readFile(t, "testdata", "classic_deploy.json"), &members); err != nil {
		t.Fatal(err)
	}
	change := func(name string, c changes) {
		t.Helper()
		base := make(changes, len(members))
		for key, value := range members {
			base[key] = value
		}
		same(name, encode(t, base, c))
	}
	change("sorted keys", nil)
	change("string as location", changes{"location": "nats://NEXCLIFILES/echoservice"})
	change("other claims", changes{"workload_jwt": "x.y.z"})
	change("no retries", changes{"retry_count": null, "retried_at": null})
	change("empty members left out", changes{"jsdomain": null, "trigger_subjects": null, "host_services": null})
	change("empty members there", changes{"trigger_subjects": []string{}})
	change("unknown member", changes{"colour": "blue"})

	var spaced bytes.Buffer
	if err := json.Indent(&spaced, readFile(t, "testdata", "classic_deploy.json"), "\r\n", "\t"); err != nil {
		t.Fatal(err)
	}
	same("other white space", spaced.Bytes())
	same("escaped characters", bytes.Replace(spaced.Bytes(), []byte(`"native"`), []byte(`"n\u0061tive"`), 1))
	same("capitals in keys", bytes.Replace(spaced.Bytes(), []byte(`"argv"`), []byte(`"ARGV"`), 1))
}

// What JSON cannot write is refused when the request is sent, and no reason to fall over before.
func TestDigestOfNoNumber(t *testing.T) {
	for _, cpus := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		r := nex.DeployRequest{CPUs: cpus}
		if got, want := r.Digest(), (&nex.DeployRequest{}).Digest(); got != want {
			t.Errorf("the digest with %v processors is %s, want %s", cpus, got, want)
		}
		if _, err := json.Marshal(r); err == nil {
			t.Errorf("a request with %v processors can be sent", cpus)
		}
	}
}

func TestDigestLeavesTheRequestAlone(t *testing.T) {
	r := full()
	if d := r.Digest(); len(d) != 64 || strings.ToLower(d) != d {
		t.Errorf("digest = %s, want 64 lower-case hex digits", d)
	}
	if !reflect.DeepEqual(r, full()) {
		t.Errorf("Digest has changed the request to %+v", r)
	}
}
