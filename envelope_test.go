package nex_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	nex "github.com/nex-engine/nex"
)

func TestReplyRoundTrip(t *testing.T) {
	want := nex.RunResponse{Started: true, ID: "w1", Issuer: "A", Name: "echo", State: nex.StateRunning}
	b, err := nex.EncodeReply(nex.RunResponseType, want)
	const text = `{"type":"io.nats.nex.v1.run_response","data":{"started":true,"id":"w1","issuer":"A","name":"echo","state":"running"},"error":null}`
	if err != nil || string(b) != text {
		t.Fatalf("JSON = %s, %v, want %s", b, err, text)
	}
	var got nex.RunResponse
	if err := nex.DecodeReply(nex.RunResponseType, b, &got); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if err := nex.DecodeReply(nex.RunResponseType, b, nil); err != nil {
		t.Errorf("without interest in the data: %v", err)
	}
	if _, err := nex.EncodeReply(nex.RunResponseType, make(chan int)); err == nil {
		t.Error("encoded a channel")
	}
}

func TestErrorRoundTrip(t *testing.T) {
	tests := []struct {
		name string
		err  error
		json string
		code nex.Code
	}{
		{
			"refusal", nex.Errorf(nex.CodeNodeFull, "the node is full"),
			`{"type":"io.nats.nex.v1.run_response","data":null,"error":"the node is full","code":"node_full"}`, nex.CodeNodeFull,
		},
		{
			"wrapped refusal", fmt.Errorf("deploy echo: %w", nex.ErrLameDuck),
			`{"type":"io.nats.nex.v1.run_response","data":null,"error":"deploy echo: Node is in lame duck mode. Workload deploy request denied","code":"lame_duck"}`,
			nex.CodeLameDuck,
		},
		{
			"failure without code", errors.New("disk on fire"),
			`{"type":"io.nats.nex.v1.run_response","data":null,"error":"disk on fire","code":"internal"}`, nex.CodeInternal,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := nex.EncodeError(nex.RunResponseType, tt.err)
			if string(b) != tt.json {
				t.Errorf("JSON = %s, want %s", b, tt.json)
			}
			err := nex.DecodeReply(nex.RunResponseType, b, &nex.RunResponse{})
			wantRefusal(t, err, tt.code, tt.err.Error())
		})
	}
}

func TestDecodeReplyErrors(t *testing.T) {
	tests := []struct {
		name, field string // the members error and code
		code        nex.Code
		message     string // "" if it is no failure
	}{
		{"none", ``, "", ""},
		{"null", `,"error":null`, "", ""},
		{"empty", `,"error":""`, "", ""},
		{"empty with code", `,"error":"","code":"internal"`, "", ""},
		{"classic", `,"error":"no such workload"`, nex.CodeInternal, "no such workload"},
		{"with code", `,"error":"no such workload","code":"workload_not_found"`, nex.CodeWorkloadNotFound, "no such workload"},
		{"with a code of the future", `,"error":"x","code":"too_blue"`, "too_blue", "x"},
		{"object", `,"error":{"code":3}`, nex.CodeInternal, `{"code":3}`},
		{"object with code", `,"error":{"a":["b"]},"code":"timeout"`, nex.CodeTimeout, `{"a":["b"]}`},
		{"number", `,"error":3`, nex.CodeInternal, "3"},
		{"false", `,"error":false`, nex.CodeInternal, "false"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body := []byte(`{"type":"` + nex.StopResponseType + `","data":{"stopped":true}` + tt.field + `}`)
			var data nex.StopResponse
			err := nex.DecodeReply(nex.StopResponseType, body, &data)
			if tt.message == "" {
				if err != nil || !data.Stopped {
					t.Errorf("got %+v, %v, want the data", data, err)
				}
				return
			}
			wantRefusal(t, err, tt.code, tt.message)
			if data.Stopped {
				t.Error("the data of a failure was decoded")
			}
		})
	}
}

// The failures of version 1 nodes have "" as data, and their type is not always the one asked for.
func TestDecodeClassicFailure(t *testing.T) {
	body := []byte(`{"type":"io.nats.nex.v1.stop_response","data":"","error":"Node is in lame duck mode. Workload deploy request denied"}`)
	err := nex.DecodeReply(nex.RunResponseType, body, &nex.RunResponse{})
	wantRefusal(t, err, nex.CodeInternal, "lame duck")
}

func TestDecodeReplyRefuses(t *testing.T) {
	tests := []struct{ name, body, says string }{
		{"nothing", "", "not a control API reply"},
		{"no JSON", "+OK", "not a control API reply"},
		{"array", "[]", "not a control API reply"},
		{"code no string", `{"type":"t","data":{},"code":1}`, "not a control API reply"},
		{"no type", `{"data":{}}`, `type ""`},
		{"another type", `{"type":"io.nats.nex.v1.ping_response","data":{}}`, "ping_response"},
		{"no data", `{"type":"io.nats.nex.v1.stop_response"}`, "malformed"},
		{"wrong data", `{"type":"io.nats.nex.v1.stop_response","data":[]}`, "malformed"},
		{"classic empty data", `{"type":"io.nats.nex.v1.stop_response","data":""}`, "malformed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := nex.DecodeReply(nex.StopResponseType, []byte(tt.body), &nex.StopResponse{})
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("error = %v, want one that says %q", err, tt.says)
			}
			if nex.CodeOf(err) != nex.CodeInternal {
				t.Errorf("code = %s, want %s", nex.CodeOf(err), nex.CodeInternal)
			}
		})
	}
}

func TestEveryOperationHasItsReply(t *testing.T) {
	for name, value := range constants(t, "Op") {
		got := nex.ResponseType(nex.Op(value))
		if !strings.HasPrefix(got, "io.nats.nex.v1.") {
			t.Errorf("%s: reply type %q", name, got)
		}
	}
	if got := nex.ResponseType("DANCE"); got != "" {
		t.Errorf("reply type of an unknown operation = %q", got)
	}
}

func TestErrorSurvivesHostileText(t *testing.T) {
	for _, text := range []string{"", "a\"b", "a\nb\x00", "\xff", "</script>"} {
		b := nex.EncodeError(nex.PingResponseType, errors.New(text))
		if !json.Valid(b) {
			t.Errorf("%q: not JSON: %s", text, b)
		}
	}
}
