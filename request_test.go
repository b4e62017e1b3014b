package nex_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
)

func TestDecodeStopRequest(t *testing.T) {
	classic := []byte(`{"workload_id":"w1","workload_jwt":"a.b.c","target_node":"` + nodeID + `"}`)
	got, err := nex.DecodeStopRequest(classic)
	want := &nex.StopRequest{WorkloadID: "w1", WorkloadJWT: "a.b.c", TargetNode: nodeID}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("classic request: got %+v, %v, want %+v", got, err, want)
	}
	got, err = nex.DecodeStopRequest(stopBody(t, changes{"grace_ms": nex.MaxGraceMillis}))
	if err != nil || got.GraceMillis != nex.MaxGraceMillis {
		t.Errorf("longest grace period: got %+v, %v", got, err)
	}
}

func TestDecodeStopRequestRefuses(t *testing.T) {
	tests := []struct {
		name string
		body []byte
		code nex.Code
		says string
	}{
		{"nothing", nil, nex.CodeInvalidRequest, "empty"},
		{"no JSON", []byte("stop"), nex.CodeInvalidRequest, "not JSON"},
		{"array", []byte("[]"), nex.CodeInvalidRequest, "expected an object"},
		{"too large", bytes.Repeat([]byte(" "), nex.MaxRequestBytes+1), nex.CodeRequestTooLarge, "bytes"},
		{"no id", stopBody(t, changes{"workload_id": null}), nex.CodeInvalidRequest, "workload_id"},
		{"path as id", stopBody(t, changes{"workload_id": "../w1"}), nex.CodeInvalidRequest, "workload_id"},
		{"wildcard as id", stopBody(t, changes{"workload_id": "*"}), nex.CodeInvalidRequest, "workload_id"},
		{"novel as id", stopBody(t, changes{"workload_id": strings.Repeat("x", 1<<19)}), nex.CodeInvalidRequest, "…"},
		{"no claims", stopBody(t, changes{"workload_jwt": null}), nex.CodeInvalidClaims, "workload_jwt is missing"},
		{"negative grace period", stopBody(t, changes{"grace_ms": -1}), nex.CodeInvalidRequest, "grace_ms"},
		{"grace period too long", stopBody(t, changes{"grace_ms": nex.MaxGraceMillis + 1}), nex.CodeInvalidRequest, "grace_ms"},
		{"part of a millisecond", stopBody(t, changes{"grace_ms": 0.5}), nex.CodeInvalidRequest, "field grace_ms: expected a number"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := nex.DecodeStopRequest(tt.body)
			wantRefusal(t, err, tt.code, tt.says)
			if got != nil {
				t.Errorf("request = %+v besides the error", got)
			}
		})
	}
}

func TestDecodeAuctionRequest(t *testing.T) {
	sandboxed := true
	tests := []struct {
		name, body string
		want       nex.AuctionRequest
	}{
		{"nothing", "", nex.AuctionRequest{}},
		{"white space", " \n", nex.AuctionRequest{}},
		{"empty object", "{}", nex.AuctionRequest{}},
		{
			"classic", `{"arch":"amd64","os":"linux","sandboxed":true,"tags":{"region":"eu"},"workload_types":["native"]}`,
			nex.AuctionRequest{
				Arch: "amd64", OS: "linux", Sandboxed: &sandboxed, Tags: map[string]string{"region": "eu"},
				WorkloadTypes: []nex.WorkloadType{nex.TypeNative},
			},
		},
		{
			"more", `{"min_sandbox":"gvisor","memory_mib":512,"explain":true}`,
			nex.AuctionRequest{MinSandbox: nex.SandboxGVisor, MemoryMiB: 512, Explain: true},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := nex.DecodeAuctionRequest([]byte(tt.body))
			if err != nil || !reflect.DeepEqual(got, &tt.want) {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}

func TestDecodeAuctionRequestRefuses(t *testing.T) {
	tests := []struct {
		name, body string
		code       nex.Code
		says       string
	}{
		{"no JSON", "bid!", nex.CodeInvalidRequest, "not JSON"},
		{"unknown sandbox", `{"min_sandbox":"castle"}`, nex.CodeInvalidRequest, `"castle" is none of none, gvisor, microvm`},
		{"negative memory", `{"memory_mib":-1}`, nex.CodeInvalidRequest, "memory_mib"},
		{"tags no strings", `{"tags":{"a":1}}`, nex.CodeInvalidRequest, "field tags"},
		{"types no array", `{"workload_types":"native"}`, nex.CodeInvalidRequest, "field workload_types: expected an array"},
		{"too large", strings.Repeat(" ", nex.MaxRequestBytes+1), nex.CodeRequestTooLarge, "bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := nex.DecodeAuctionRequest([]byte(tt.body))
			wantRefusal(t, err, tt.code, tt.says)
			if got != nil {
				t.Errorf("request = %+v besides the error", got)
			}
		})
	}
}

func TestDecodeLogsRequest(t *testing.T) {
	tests := []struct {
		name, body string
		want       nex.LogsRequest
	}{
		{"nothing", "", nex.LogsRequest{Lines: nex.DefaultLogLines}},
		{"white space", "\n", nex.LogsRequest{Lines: nex.DefaultLogLines}},
		{"zero lines", `{"lines":0}`, nex.LogsRequest{Lines: nex.DefaultLogLines}},
		{"one line", `{"workload":"echo","lines":1}`, nex.LogsRequest{Workload: "echo", Lines: 1}},
		{"most lines", `{"lines":1000}`, nex.LogsRequest{Lines: nex.MaxLogLines}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := nex.DecodeLogsRequest([]byte(tt.body))
			if err != nil || *got != tt.want {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
	for _, bad := range []string{`{"lines":-1}`, `{"lines":1001}`, `{"lines":"all"}`, `[]`, `x`} {
		_, err := nex.DecodeLogsRequest([]byte(bad))
		wantRefusal(t, err, nex.CodeInvalidRequest, "")
	}
}

func TestDecodeLameDuckRequest(t *testing.T) {
	for body, want := range map[string]string{"": "", " ": "", "{}": "", `{"jwt":"a.b.c"}`: "a.b.c"} {
		got, err := nex.DecodeLameDuckRequest([]byte(body))
		if err != nil || got.JWT != want {
			t.Errorf("%q: got %+v, %v, want %q", body, got, err, want)
		}
	}
	for _, good := range []nex.ExitAfter{"30s", "0s", "1h30m", nex.ExitWhenIdle} {
		got, err := nex.DecodeLameDuckRequest([]byte(`{"exit_after":"` + string(good) + `"}`))
		if err != nil || got.ExitAfter != good {
			t.Errorf("exit after %s: got %+v, %v", good, got, err)
		}
	}
	for _, bad := range []string{`{"jwt":1}`, `quack`, `{"exit_after":30}`, `{"exit_after":"-1s"}`, `{"exit_after":"soon"}`, `{"exit_after":"30"}`, `{"type":"io.nats.nex.v1.ping_response","data":{},"error":null}`} {
		_, err := nex.DecodeLameDuckRequest([]byte(bad))
		wantRefusal(t, err, nex.CodeInvalidRequest, "")
	}
}

func TestExitAfterTime(t *testing.T) {
	for e, want := range map[nex.ExitAfter]time.Duration{"": -1, nex.ExitWhenIdle: -1, "30s": 30 * time.Second, "0s": 0, "soon": -1} {
		got, limited := e.Time()
		if limited != (want >= 0) || limited && got != want {
			t.Errorf("%q: %s, %t, want %s", e, got, limited, want)
		}
	}
}

// Claims for one request are of no use for another one.
func TestLameDuckDigest(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range []nex.ExitAfter{"", "30s", nex.ExitWhenIdle} {
		r := nex.LameDuckRequest{JWT: "a.b.c", ExitAfter: e}
		digest := r.Digest()
		if r.JWT = "d.e.f"; len(digest) != 64 || seen[digest] || r.Digest() != digest {
			t.Errorf("%q: digest %q", e, digest)
		}
		seen[digest] = true
	}
}

// A version 1 node sends no bid: each of its answers is one.
func TestAuctionResponseBids(t *testing.T) {
	for body, want := range map[string]bool{
		`{"node_id":"N"}`: true, `{"bid":null}`: true, `{"bid":true}`: true, `{"bid":false,"reasons":["full"]}`: false,
	} {
		var r nex.AuctionResponse
		if err := json.Unmarshal([]byte(body), &r); err != nil {
			t.Fatal(err)
		}
		if got := r.Bids(); got != want {
			t.Errorf("%s: bids = %v, want %v", body, got, want)
		}
	}
}
