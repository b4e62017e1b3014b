package agentlink_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
)

func TestMessages(t *testing.T) {
	roundTrip(t, "bootstrap", agentlink.Bootstrap{AgentID: "a1", URL: "nats://127.0.0.1:4222", Seed: "SU", LinkDir: "/link", Token: "T"},
		`{"agent_id":"a1","url":"nats://127.0.0.1:4222","seed":"SU","link_dir":"/link","token":"T"}`)
	roundTrip(t, "bootstrap with a bound", agentlink.Bootstrap{AgentID: "a1", Seed: "SU", LinkDir: "/link", Token: "T", OrphanTimeout: time.Second},
		`{"agent_id":"a1","seed":"SU","link_dir":"/link","token":"T","orphan_timeout_ns":1000000000}`)
	roundTrip(t, "handshake", agentlink.Handshake{AgentID: "a1", Protocol: 1, Version: "1", OS: "linux", Arch: "amd64", Types: []nex.WorkloadType{nex.TypeNative}},
		`{"agent_id":"a1","protocol":1,"version":"1","os":"linux","arch":"amd64","types":["native"]}`)
	roundTrip(t, "handshake with a workload", agentlink.Handshake{AgentID: "a1", Held: &agentlink.Held{WorkloadID: "w1", PID: 7, Exit: &nex.Exit{Code: 3}}},
		`{"agent_id":"a1","protocol":0,"version":"","os":"","arch":"","types":null,"held":{"workload_id":"w1","pid":7,"exit":{"code":3}}}`)
	roundTrip(t, "logs heard", agentlink.LogsHeard{Seq: 9}, `{"seq":9}`)
	roundTrip(t, "handshake reply", agentlink.HandshakeReply{NodeID: "N"}, `{"node_id":"N"}`)
	roundTrip(t, "deploy", agentlink.Deploy{
		WorkloadID: "w1", Name: "echo", Namespace: "default", Type: nex.TypeNative, Path: "/p", Digest: "d",
		Argv: []string{"", "x"}, Environment: map[string]string{"B": "2", "A": ""},
	}, `{"workload_id":"w1","name":"echo","namespace":"default","type":"native","path":"/p","digest":"d","argv":["","x"],"environment":{"A":"","B":"2"}}`)
	roundTrip(t, "deploy reply", agentlink.DeployReply{PID: 7}, `{"pid":7}`)
	roundTrip(t, "deploy failure", agentlink.DeployReply{Error: "no", Code: nex.CodeStartFailed}, `{"error":"no","code":"start_failed"}`)
	roundTrip(t, "undeploy", agentlink.Undeploy{Grace: 10 * time.Second}, `{"grace_ns":10000000000}`)
	roundTrip(t, "exited", agentlink.Exited{Exit: nex.Exit{Code: -1, Signal: "SIGKILL", OOM: true}},
		`{"exit":{"code":-1,"signal":"SIGKILL","oom":true}}`)
}

func roundTrip[T any](t *testing.T, name string, m T, text string) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		b := agentlink.Encode(m)
		if string(b) != text {
			t.Errorf("JSON = %s, want %s", b, text)
		}
		if got, err := agentlink.Decode[T](b); err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("Decode = %+v, %v, want %+v", got, err, m)
		}
	})
}

func TestDecode(t *testing.T) {
	full := append([]byte(`{"node_id":"N"}`), bytes.Repeat([]byte(" "), agentlink.MaxMessageBytes-len(`{"node_id":"N"}`))...)
	tests := []struct {
		name string
		body []byte
		says string // "" if it is accepted
	}{
		{"unknown field", []byte(`{"node_id":"N","colour":"blue"}`), ""},
		{"as large as allowed", full, ""},
		{"too large", append(full, ' '), "more than 2097152"},
		{"empty", nil, "malformed"},
		{"no JSON", []byte("hello"), "malformed"},
		{"two", []byte(`{}{}`), "malformed"},
		{"array", []byte(`[]`), "malformed"},
		{"wrong type", []byte(`{"node_id":1}`), "malformed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := agentlink.Decode[agentlink.HandshakeReply](tt.body)
			switch {
			case tt.says == "" && (err != nil || got.NodeID != "N"):
				t.Errorf("Decode = %+v, %v", got, err)
			case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)):
				t.Errorf("error = %v, want one that says %q", err, tt.says)
			}
		})
	}
}

func TestEncodePanicsOnWhatIsNoMessage(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a channel was encoded")
		}
	}()
	agentlink.Encode(make(chan int))
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"workload_id":"w1","name":"echo","namespace":"default","type":"native","path":"/p","digest":"d","argv":["x"],"environment":{"A":"1"}}`))
	f.Add([]byte(`{"agent_id":"a1","version":"1","os":"linux","arch":"amd64","types":["native"]}`))
	f.Add([]byte(`{"agent_id":"a1","protocol":1,"held":{"workload_id":"w1","pid":7,"exit":{"code":-1}},"orphan_timeout_ns":1}`))
	f.Add([]byte(`{"seq":18446744073709551615}`))
	f.Add([]byte(`{"exit":{"code":-1,"signal":"SIGKILL","oom":true}}`))
	f.Add([]byte(`{"pid":1e3,"error":"\ud800","code":"x","grace_ns":-1}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, body []byte) {
		stable[agentlink.Bootstrap](t, body)
		stable[agentlink.Handshake](t, body)
		stable[agentlink.HandshakeReply](t, body)
		stable[agentlink.Deploy](t, body)
		stable[agentlink.DeployReply](t, body)
		stable[agentlink.Undeploy](t, body)
		stable[agentlink.Exited](t, body)
		stable[agentlink.LogsHeard](t, body)
		stable[[]nex.LogRecord](t, body)
	})
}

// stable fails unless a message that is accepted is the same after it was sent once more.
func stable[T any](t *testing.T, body []byte) {
	t.Helper()
	m, err := agentlink.Decode[T](body)
	if err != nil {
		return
	}
	b := agentlink.Encode(m)
	if !json.Valid(b) {
		t.Fatalf("%T: not JSON: %s", m, b)
	}
	if len(b) > agentlink.MaxMessageBytes { // escapes are longer than what they escape
		return
	}
	again, err := agentlink.Decode[T](b)
	if err != nil {
		t.Fatalf("%T: accepted, but not when sent once more: %v", m, err)
	}
	if c := agentlink.Encode(again); !bytes.Equal(b, c) {
		t.Fatalf("%T: %s became %s", m, b, c)
	}
}
