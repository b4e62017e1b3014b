//go:build linux && cgo && (amd64 || arm64)

package agent_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/function"
	"github.com/nex-engine/nex/internal/function/wasm"
	"github.com/nex-engine/nex/internal/function/wasm/wasmtest"
	"github.com/nex-engine/nex/internal/hostapi"
)

// allBytes has every byte there is.
func allBytes() []byte {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func TestFunctionCall(t *testing.T) {
	t.Parallel()
	n := startFunction(t, `(subject, payload, {headers}) => ({data: payload, headers: {...headers, Subject: subject}})`)
	for range 3 {
		a := n.trigger(agentlink.Trigger{
			ID: "1", Subject: "orders.new.7", Timeout: patience,
			Header: function.Header{"Key": {"one", "two"}, "empty": {""}}, Payload: allBytes(),
		}).answer()
		want := function.Header{"Key": {"one", "two"}, "empty": {""}, "Subject": {"orders.new.7"}}
		if a.Status != 0 || !bytes.Equal(a.Payload, allBytes()) || !maps.EqualFunc(a.Header, want, slices.Equal) {
			t.Errorf("answer = %+v, want the payload and %v", a, want)
		}
	}
	if a := n.trigger(agentlink.Trigger{Timeout: patience}).answer(); a.Status != 0 || len(a.Payload) != 0 {
		t.Errorf("the answer to an empty call = %+v, want an empty payload", a)
	}
	if exit := n.undeploy(patience); !exit.Success() {
		t.Errorf("exit = %+v, want success", exit)
	}
	if exit := n.awaitExit(); !exit.Success() {
		t.Errorf("exit = %+v, want success", exit)
	}
}

func TestFunctionWebAssembly(t *testing.T) {
	t.Parallel()
	module, err := os.ReadFile(wasmtest.Go(t, "internal/agent/testdata/function"))
	if err != nil {
		t.Fatal(err)
	}
	n := startAgent(t)
	d := n.function(nex.TypeWasm, module)
	d.Environment = map[string]string{"GIVEN": "yes"}
	d.Function.Compiled = filepath.Join(n.dir, "compiled")
	compile(t, d)
	n.load(d)
	a := n.trigger(agentlink.Trigger{Subject: "echo", Timeout: patience, Payload: allBytes(), Header: function.Header{"Key": {"one"}}}).answer()
	if a.Status != 0 || !bytes.Equal(a.Payload, allBytes()) || !slices.Equal(a.Header["Key"], []string{"one"}) {
		t.Errorf("answer = %+v, want the payload and the header", a)
	}
	n.trigger(agentlink.Trigger{Subject: "env", Timeout: patience}).want(0, n.environment("GIVEN=yes"))
	n.trigger(agentlink.Trigger{Subject: "fail", Timeout: patience}).want(404, "no such thing")
	n.trigger(agentlink.Trigger{Subject: "endless", Timeout: 50 * time.Millisecond}).want(function.StatusTimeout, "deadline")
	stored := n.trigger(agentlink.Trigger{Subject: "kv", Timeout: patience})
	n.answerHost(n.awaitRequests(1)[0], hostapi.Response{Body: []byte("value")}, nil)
	stored.want(0, "value")
	n.undeploy(patience)
	n.awaitExit()
}

// compile makes the file with what is compiled of the function. On a busy machine and with the race detector
// that takes longer than an agent has for it.
func compile(t *testing.T, d agentlink.Deploy) {
	t.Helper()
	r, err := wasm.Load(t.Context(), function.Config{
		Name: d.Name, Path: d.Path, Concurrency: 1, MemoryBytes: d.Function.MemoryBytes, MaxResultBytes: 1,
		KeepCompiled: agentlink.MaxCompiledBytes, Log: func(function.LogLine) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := os.WriteFile(d.Function.Compiled, r.(function.Compiler).Compiled(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// environment is what the environment of a function with these variables is, as lines.
func (n *node) environment(given ...string) string {
	all := append(given, "NEX_AGENT_ID="+n.id, "NEX_NAMESPACE=default", "NEX_WORKLOAD_ID=w1", "NEX_WORKLOAD_NAME=echo")
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// A function sees what it was given and who it is, and nothing of its agent.
func TestFunctionEnvironment(t *testing.T) {
	t.Parallel()
	n := startFunction(t, `() => Object.entries(process.env).map(([k, v]) => k + '=' + v).sort().join('\n') + '.'`, func(d *agentlink.Deploy) {
		d.Environment = map[string]string{"low": "1", "NEX_NAMESPACE": "forged", "EMPTY": ""}
	})
	n.call("").want(0, n.environment("low=1", "EMPTY=")+".")
	if a := n.call("").answer(); strings.Contains(string(a.Payload), "SECRET") {
		t.Errorf("environment = %s, want nothing of the agent's", a.Payload)
	}
}

func TestFunctionFails(t *testing.T) {
	t.Parallel()
	n := startFunction(t, `(subject, payload) => {
  switch (new TextDecoder().decode(payload)) {
  case 'not found': throw Object.assign(new Error('no such order'), {code: 404});
  case 'throws': throw new Error('on purpose');
  case 'large': return new Uint8Array((1 << 20) + 1);
  case 'large header': return {data: '', headers: {A: 'x'.repeat(9 << 20)}};
  case 'bad header': return {data: '', headers: {A: 'b\r\nC: d'}};
  case 'large message': throw new Error('x'.repeat(9 << 20));
  }
  return 'well';
}`)
	for _, tt := range []struct {
		payload string
		status  int
		says    string
	}{
		{"not found", 404, "no such order"},
		{"throws", function.StatusFailed, "on purpose"},
		{"large", function.StatusTooLarge, "1048577 bytes"},
		{"bad header", function.StatusFailed, ""},
		{"well", 0, "well"},
	} {
		n.call(tt.payload).want(tt.status, tt.says)
	}
	for _, payload := range []string{"large header", "large message"} {
		if a := n.call(payload).answer(); a.Status < 400 || a.Message == "" {
			t.Errorf("the answer to %s = %d, %.100q; want an error", payload, a.Status, a.Message)
		}
	}
	n.call("well").want(0, "well")
	n.undeploy(patience)
	n.awaitExit()
	n.awaitLine("call c-throws on test.subject failed: ")
	n.awaitLine("call c-large on test.subject failed: ")
	if !slices.ContainsFunc(n.logs, func(r nex.LogRecord) bool {
		return r.Level == int(slog.LevelError) && r.Stream == nex.StreamStderr && strings.Contains(r.Text, "echo") && strings.Contains(r.Text, ":4")
	}) {
		t.Errorf("the log has no line of a stack: %q", n.lines(nex.StreamStderr))
	}
}

func TestFunctionLog(t *testing.T) {
	t.Parallel()
	n := startFunction(t, `console.log('loading'); () => {
  console.debug('debug'); console.info('info\nsecond'); console.warn('warn'); console.error('error');
}`)
	n.call("").want(0, "")
	n.undeploy(patience)
	n.awaitExit()
	var got []string
	for i, r := range n.logs {
		got = append(got, strings.Join([]string{slog.Level(r.Level).String(), r.Stream, r.Text}, " "))
		if r.ID != "w1" || r.Seq != uint64(i+1) || time.Since(r.Time) > patience {
			t.Errorf("record %d = %+v", i, r)
		}
	}
	want := []string{
		"INFO stdout loading", "DEBUG stdout debug", "INFO stdout info", "INFO stdout second", "WARN stderr warn", "ERROR stderr error",
	}
	if !slices.Equal(got, want) {
		t.Errorf("log = %q\nwant  %q", got, want)
	}
}

// A function's host service requests reach the node, with the time that the call has left, and what
// the node answers reaches the function.
func TestFunctionHostServices(t *testing.T) {
	t.Parallel()
	n := startFunction(t, `async (subject, payload) => {
  try {
    return await hostServices.promises.kv.get('key');
  } catch (e) {
    return e.code + ': ' + e.message;
  }
}`)
	const timeout = 30 * time.Second
	call := n.trigger(agentlink.Trigger{Timeout: timeout})
	r := n.awaitRequests(1)[0]
	var meta hostapi.KeyRequest
	if err := json.Unmarshal(r.Meta, &meta); err != nil || meta.Key != "key" || r.Service != hostapi.KV || r.Method != "get" {
		t.Errorf("request = %s.%s %s, %v, want kv.get of key", r.Service, r.Method, r.Meta, err)
	}
	if r.timeout <= 0 || r.timeout > timeout {
		t.Errorf("the request may take %v, want at most what the call has, %v", r.timeout, timeout)
	}
	n.answerHost(r, hostapi.Response{Body: allBytes()}, nil)
	if a := call.answer(); !bytes.Equal(a.Payload, allBytes()) {
		t.Errorf("answer = %+v, want the value", a)
	}
	call = n.call("denied")
	n.answerHost(n.awaitRequests(2)[1], hostapi.Response{}, hostapi.Errorf(hostapi.CodeDenied, "not today"))
	call.want(0, "denied: not today")
	call = n.call("garbage")
	if err := n.awaitRequests(3)[2].msg.Respond([]byte{0xff}); err != nil {
		t.Fatal(err)
	}
	call.want(0, "internal: ")
	// A request that the node does not answer ends with its call.
	n.trigger(agentlink.Trigger{Timeout: 50 * time.Millisecond}).want(function.StatusTimeout, "")
}

// What is no call is answered, and then calls are as before.
func TestFunctionGarbage(t *testing.T) {
	t.Parallel()
	n := startFunction(t, `() => 'well'`)
	for i, number := range []uint64{0, 1 << 60} {
		malformed := agentlink.Trigger{Number: number, Header: function.Header{"a b": {"c"}}}
		if err := n.stream.Load().SendTrigger(malformed, true); err != nil {
			t.Fatal(err)
		}
		n.await("answer to garbage", func() bool { return len(n.strays) > i })
		if a := n.strays[i]; a.Status != function.StatusFailed || a.Message == "" {
			t.Errorf("the answer to garbage = %+v, want an error", a)
		}
	}
	n.call("").want(0, "well")
	if r := n.deploy(n.functionAgain()); r.Code != nex.CodeInternal || !strings.Contains(r.Error, "already") {
		t.Errorf("second deploy = %+v, want a refusal with code %s", r, nex.CodeInternal)
	}
	n.call("").want(0, "well")
}

// functionAgain is a function for a second deploy.
func (n *node) functionAgain() agentlink.Deploy {
	return agentlink.Deploy{WorkloadID: "w2", Name: "other", Type: nex.TypeV8, Function: settings()}
}
