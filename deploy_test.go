package nex_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	nex "github.com/nex-engine/nex"
)

func TestDecodeClassicDeployRequest(t *testing.T) {
	got, err := nex.DecodeDeployRequest(readFile(t, "testdata", "classic_deploy.json"))
	if err != nil {
		t.Fatal(err)
	}
	want := &nex.DeployRequest{
		Argv: []string{"--port", "8080"}, Description: "Workload published in devmode", Type: nex.TypeNative,
		Location: nex.Location{Scheme: "nats", Host: "NEXCLIFILES", Path: "/echoservice"}, Essential: true,
		WorkloadJWT: "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.e30.c2ln", Environment: "eGt2MQ==",
		SenderPublicKey: xkey, TargetNode: nodeID, TriggerConnection: &nex.Connection{},
		RetryCount: 2, RetriedAt: "2024-05-06T07:08:09Z",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestDecodeDeployRequest(t *testing.T) {
	tests := []struct {
		name    string
		changes changes
	}{
		{"least", nil},
		{"without target", changes{"target_node": null}},
		{"unknown field", changes{"colour": "blue"}},
		{"most arguments", changes{"argv": slices.Repeat([]string{"x"}, nex.MaxArgs)}},
		{"longest argument", changes{"argv": []string{strings.Repeat("x", maxArgument)}}},
		{"empty argument", changes{"argv": []string{"", ""}}},
		{"longest description", changes{"description": strings.Repeat("x", nex.MaxDescription)}},
		{"most triggers", changes{"type": "v8", "trigger_subjects": slices.Repeat([]string{"a"}, nex.MaxTriggers)}},
		{"longest trigger", changes{"type": "v8", "trigger_subjects": []string{strings.Repeat("a", maxSubject)}}},
		{"wildcard triggers", changes{"type": "wasm", "trigger_subjects": []string{"a.*.b", "a.>", ">", "größe.x"}}},
		{"most calls at one time", changes{"type": "v8", "max_concurrency": nex.MaxConcurrency}},
		{"longest call", changes{"type": "wasm", "call_timeout_ms": nex.MaxCallTimeoutMillis}},
		{"the node's bounds of calls", changes{"type": "v8", "max_concurrency": 0, "call_timeout_ms": 0}},
		{"least sandbox", changes{"min_sandbox": "none", "memory_mib": nex.MinMemoryMiB, "cpus": nex.MinCPUs}},
		{"largest sandbox", changes{"min_sandbox": "microvm", "memory_mib": nex.MaxMemoryMiB, "cpus": nex.MaxCPUs}},
		{"the node's sandbox", changes{"min_sandbox": "", "memory_mib": 0, "cpus": 0, "egress": changes{}}},
		{"egress", changes{"egress": changes{"allow": []string{"api.example.com:443", "10.1.0.0/16"}, "deny": []string{"*"}}}},
		{"most rules", changes{"egress": changes{"allow": slices.Repeat([]string{"*"}, nex.MaxEgressRules)}}},
		{"restart", changes{"restart": "on-failure"}},
		{"essential and always", changes{"essential": true, "restart": "always"}},
		{"function and always", changes{"type": "v8", "restart": "always"}},
		{"the policy that there was", changes{"essential": true, "restart": ""}},
		{"image", changes{"type": "oci", "location": "oci://registry.example.com/team/app:1.2"}},
		{"image in a file", changes{"type": "oci", "location": "file:///opt/app.tar"}},
		{"environment", changes{"environment": "eGt2MQ==", "sender_public_key": xkey}},
		{"sender without environment", changes{"sender_public_key": xkey}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := nex.DecodeDeployRequest(deployBody(t, tt.changes)); err != nil {
				t.Error(err)
			}
		})
	}
}

// Bounds that docs/protocol.md names.
const (
	maxArgument = 64 << 10
	maxSubject  = 256
)

func TestDecodeDeployRequestRefusesBodies(t *testing.T) {
	tooLarge := append(deployBody(t, nil), bytes.Repeat([]byte(" "), nex.MaxRequestBytes)...)
	tests := []struct {
		name string
		body []byte
		code nex.Code
		says string
	}{
		{"nothing", nil, nex.CodeInvalidRequest, "empty"},
		{"white space", []byte(" \n\t"), nex.CodeInvalidRequest, "empty"},
		{"too large", tooLarge, nex.CodeRequestTooLarge, "more than the 1048576 allowed"},
		{"far too large", bytes.Repeat([]byte("x"), 8<<20), nex.CodeRequestTooLarge, "8388608 bytes"},
		{"no JSON", []byte("deploy, please"), nex.CodeInvalidRequest, "not JSON (at byte 1)"},
		{"half of it", []byte(`{"type":"native"`), nex.CodeInvalidRequest, "not JSON"},
		{"two of them", []byte(`{} {}`), nex.CodeInvalidRequest, "not JSON"},
		{"byte order mark", append([]byte("\ufeff"), deployBody(t, nil)...), nex.CodeInvalidRequest, "not JSON"},
		{"null", []byte("null"), nex.CodeInvalidRequest, "type is missing"},
		{"array", []byte("[]"), nex.CodeInvalidRequest, "expected an object, got array"},
		{"string", []byte(`"native"`), nex.CodeInvalidRequest, "expected an object, got string"},
		{"number", []byte(strings.Repeat("1", 1<<20)), nex.CodeInvalidRequest, "expected an object, got number"},
		{"deep", bytes.Repeat([]byte(`{"x":`), 100_000), nex.CodeInvalidRequest, "malformed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := nex.DecodeDeployRequest(tt.body)
			wantRefusal(t, err, tt.code, tt.says)
			if got != nil {
				t.Errorf("request = %+v besides the error", got)
			}
		})
	}
}

func TestDecodeDeployRequestRefusesFields(t *testing.T) {
	type c = changes
	digits := json.RawMessage(strings.Repeat("9", 1<<19))
	tests := []struct {
		name    string
		changes changes
		code    nex.Code
		says    string
	}{
		{"type missing", c{"type": null}, nex.CodeInvalidRequest, "type is missing"},
		{"type unknown", c{"type": "elf"}, nex.CodeUnsupportedType, "Unsupported workload type on this node: elf"},
		{"type in capitals", c{"type": "Native"}, nex.CodeUnsupportedType, "Native"},
		{"type is a novel", c{"type": strings.Repeat("x", 1<<19)}, nex.CodeUnsupportedType, "…"},
		{"type no string", c{"type": 1}, nex.CodeInvalidRequest, "field type: expected a string, got number"},
		{"claims missing", c{"workload_jwt": null}, nex.CodeInvalidClaims, "workload_jwt is missing"},
		{"claims empty", c{"workload_jwt": ""}, nex.CodeInvalidClaims, "workload_jwt is missing"},
		{"location missing", c{"location": null}, nex.CodeInvalidRequest, "the scheme must be"},
		{"location unknown", c{"location": "ftp://example.com/echo"}, nex.CodeInvalidRequest, "the scheme must be"},
		{"location no URL", c{"location": "nats://B/%zz"}, nex.CodeInvalidRequest, "location is not a URL"},
		{"location no string", c{"location": 1}, nex.CodeInvalidRequest, "neither a URL object nor a string"},
		{"description too long", c{"description": strings.Repeat("x", nex.MaxDescription+1)}, nex.CodeInvalidRequest, "1024"},
		{"too many arguments", c{"argv": slices.Repeat([]string{"x"}, nex.MaxArgs+1)}, nex.CodeInvalidRequest, "more than 256"},
		{"argument too long", c{"argv": []string{"", strings.Repeat("x", maxArgument+1)}}, nex.CodeInvalidRequest, "65536"},
		{"NUL in an argument", c{"argv": []string{"a\x00b"}}, nex.CodeInvalidRequest, "NUL"},
		{"argument no string", c{"argv": []any{1}}, nex.CodeInvalidRequest, "field argv: expected a string"},
		{"arguments no array", c{"argv": "x"}, nex.CodeInvalidRequest, "field argv: expected an array"},
		{"essential no boolean", c{"essential": "yes"}, nex.CodeInvalidRequest, "field essential: expected true or false"},
		{"restart unknown", c{"restart": "sometimes"}, nex.CodeInvalidRequest, `restart: expected always, on-failure or never, got "sometimes"`},
		{"restart no string", c{"restart": true}, nex.CodeInvalidRequest, "field restart: expected a string"},
		{"essential and never", c{"essential": true, "restart": "never"}, nex.CodeInvalidRequest, "restart: never contradicts essential"},
		{"essential and on failure", c{"essential": true, "restart": "on-failure"}, nex.CodeInvalidRequest, "restart: on-failure contradicts essential"},
		{"function and never", c{"type": "v8", "restart": "never"}, nex.CodeInvalidRequest, "restart: a v8 function answers until it is stopped"},
		{"retries no number", c{"retry_count": "1"}, nex.CodeInvalidRequest, "field retry_count: expected a number"},
		{"retries too many", c{"retry_count": digits}, nex.CodeInvalidRequest, "got number 999"},
		{"environment without sender", c{"environment": "eGt2MQ=="}, nex.CodeInvalidRequest, "without sender_public_key"},
		{"sender no xkey", c{"sender_public_key": nodeID}, nex.CodeInvalidRequest, "not a public xkey"},
		{"sender too long", c{"sender_public_key": xkey + xkey}, nex.CodeInvalidRequest, "not a public xkey"},
		{"connection no object", c{"trigger_connection": "nats://x"}, nex.CodeInvalidRequest, "field trigger_connection: expected an object"},
		{"URL no string", c{"host_services": c{"nats_url": true}}, nex.CodeInvalidRequest, "field host_services.nats_url: expected a string"},
		{"fewer than no calls", c{"max_concurrency": -1}, nex.CodeInvalidRequest, "max_concurrency must be between 0 and 1024"},
		{"too many calls at one time", c{"max_concurrency": nex.MaxConcurrency + 1}, nex.CodeInvalidRequest, "max_concurrency must be between 0 and 1024"},
		{"half a call", c{"max_concurrency": 0.5}, nex.CodeInvalidRequest, "field max_concurrency: expected a number"},
		{"call that ends before", c{"call_timeout_ms": -1}, nex.CodeInvalidRequest, "call_timeout_ms must be between 0 and 300000"},
		{"call too long", c{"call_timeout_ms": nex.MaxCallTimeoutMillis + 1}, nex.CodeInvalidRequest, "call_timeout_ms must be between 0 and 300000"},
		{"call's time no number", c{"call_timeout_ms": "5s"}, nex.CodeInvalidRequest, "field call_timeout_ms: expected a number"},
		{"sandbox level unknown", c{"min_sandbox": "castle"}, nex.CodeInvalidRequest, `min_sandbox "castle" is none of none, gvisor, microvm`},
		{"sandbox level no string", c{"min_sandbox": 2}, nex.CodeInvalidRequest, "field min_sandbox: expected a string"},
		{"negative memory", c{"memory_mib": -1}, nex.CodeInvalidRequest, "memory_mib must be between 16 and 1048576"},
		{"too little memory", c{"memory_mib": nex.MinMemoryMiB - 1}, nex.CodeInvalidRequest, "memory_mib must be between"},
		{"too much memory", c{"memory_mib": nex.MaxMemoryMiB + 1}, nex.CodeInvalidRequest, "memory_mib must be between"},
		{"half a MiB", c{"memory_mib": 16.5}, nex.CodeInvalidRequest, "field memory_mib: expected a number"},
		{"negative processors", c{"cpus": -0.5}, nex.CodeInvalidRequest, "cpus must be between 0.01 and 1024"},
		{"too little of a processor", c{"cpus": 0.009}, nex.CodeInvalidRequest, "cpus must be between"},
		{"too many processors", c{"cpus": 1024.5}, nex.CodeInvalidRequest, "cpus must be between"},
		{"endless processors", c{"cpus": json.RawMessage("1e999")}, nex.CodeInvalidRequest, "field cpus: expected a number"},
		{"processors as text", c{"cpus": "2"}, nex.CodeInvalidRequest, "field cpus: expected a number"},
		{"egress no object", c{"egress": []string{"*"}}, nex.CodeInvalidRequest, "field egress: expected an object"},
		{"rule no string", c{"egress": c{"deny": []any{1}}}, nex.CodeInvalidRequest, "field egress.deny: expected a string"},
		{"malformed rule", c{"egress": c{"allow": []string{"*", "http://x"}}}, nex.CodeInvalidRequest, `invalid deploy request: egress: egress rule "http://x": `},
		{"too many rules", c{"egress": c{"deny": slices.Repeat([]string{"*"}, nex.MaxEgressRules+1)}}, nex.CodeInvalidRequest, "egress: there are more than 64 rules"},
		{"function with a network", c{"type": "wasm", "egress": c{"deny": []string{"*"}}}, nex.CodeInvalidRequest, "a wasm function has none: leave it away"},
		{"program in a registry", c{"location": "oci://registry.example.com/app"}, nex.CodeInvalidRequest, "a workload of type native cannot lie in a registry"},
		{"image in a store", c{"type": "oci"}, nex.CodeInvalidRequest, "an image cannot lie at a nats location"},
		{"too many triggers", c{"trigger_subjects": slices.Repeat([]string{"a"}, nex.MaxTriggers+1)}, nex.CodeInvalidRequest, "more than 64"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := nex.DecodeDeployRequest(deployBody(t, tt.changes))
			wantRefusal(t, err, tt.code, tt.says)
			if got != nil {
				t.Errorf("request = %+v besides the error", got)
			}
		})
	}
}

func TestDecodeDeployRequestRefusesTriggers(t *testing.T) {
	tests := []struct{ name, subject, says string }{
		{"empty", "", "it is empty"},
		{"empty token", "a..b", "an empty token"},
		{"dot in front", ".a", "an empty token"},
		{"dot at the end", "a.", "an empty token"},
		{"space", "a b", "white space"},
		{"line break", "a\r\nb", "white space"},
		{"NUL", "a\x00b", "white space"},
		{"full wildcard inside", "a.>.b", "> may only be the last token"},
		{"too long", strings.Repeat("a", maxSubject+1), "longer than 256 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body := deployBody(t, changes{"type": "v8", "trigger_subjects": []string{"fine", tt.subject}})
			_, err := nex.DecodeDeployRequest(body)
			wantRefusal(t, err, nex.CodeInvalidRequest, tt.says)
			if !strings.Contains(err.Error(), "trigger subject") {
				t.Errorf("message %q does not name the field", err)
			}
		})
	}
}

// A request that lacks a field that docs/protocol.md calls required is refused.
func TestRequiredFields(t *testing.T) {
	decode := map[string]func(t *testing.T, field string) error{
		"DeployRequest": func(t *testing.T, field string) error {
			_, err := nex.DecodeDeployRequest(deployBody(t, changes{field: null}))
			return err
		},
		"StopRequest": func(t *testing.T, field string) error {
			_, err := nex.DecodeStopRequest(stopBody(t, changes{field: null}))
			return err
		},
	}
	for name, without := range decode {
		for _, f := range documented(t, name) {
			t.Run(fmt.Sprintf("%s.%s", name, f.json), func(t *testing.T) {
				if err, required := without(t, f.json), f.doc.absent == "required"; (err != nil) != required {
					t.Errorf("without it: %v; documented as %q", err, f.doc.absent)
				}
			})
		}
	}
}
