//go:build linux && cgo && (amd64 || arm64)

package agent_test

import (
	"strings"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
)

// A function that cannot run is refused with the reason, and its log has where.
func TestFunctionRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		kind   nex.WorkloadType
		script string
		edit   func(*agentlink.Deploy)
		code   nex.Code
		says   string
	}{
		{"syntax", nex.TypeV8, "(subject => {\n  return 1 +;\n})", nil, nex.CodeInvalidFunction, "function echo could not be loaded: "},
		{"no function", nex.TypeV8, "42", nil, nex.CodeInvalidFunction, "function"},
		{"throws", nex.TypeV8, "throw new Error('on purpose')", nil, nex.CodeInvalidFunction, "on purpose"},
		{"empty", nex.TypeV8, "", nil, nex.CodeInvalidFunction, ""},
		{"no text", nex.TypeV8, "\xff\x00\xfe", nil, nex.CodeInvalidFunction, ""},
		{"no module", nex.TypeWasm, "() => 1", nil, nex.CodeInvalidFunction, "WebAssembly module"},
		{"broken module", nex.TypeWasm, "\x00asm\x01\x00\x00\x00\xff\xff\xff\xff\xff", nil, nex.CodeInvalidFunction, ""},
		{"wrong digest", nex.TypeV8, "() => 1", func(d *agentlink.Deploy) { d.Digest = strings.Repeat("0", 64) }, nex.CodeDigestMismatch, "sha256"},
		{"no artifact", nex.TypeV8, "() => 1", func(d *agentlink.Deploy) { d.Path += "x" }, nex.CodeStartFailed, "no such file"},
		{"bad variable", nex.TypeV8, "() => 1", func(d *agentlink.Deploy) { d.Environment = map[string]string{"A=B": ""} }, nex.CodeInvalidRequest, `"A=B"`},
		{"nobody says how", nex.TypeV8, "() => 1", func(d *agentlink.Deploy) { d.Function = nil }, nex.CodeInternal, "did not say"},
		{"without concurrency", nex.TypeV8, "() => 1", func(d *agentlink.Deploy) { d.Function.Concurrency = 0 }, nex.CodeInternal, "did not say"},
		{
			"takes too much memory", nex.TypeV8, "const kept = []; for (;;) kept.push(new Array(1000).fill(1));",
			func(d *agentlink.Deploy) { d.Function.MemoryBytes, d.Function.ProcessBytes = 2*small, small }, nex.CodeStartFailed, "memory",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := startAgent(t)
			d := n.function(tt.kind, []byte(tt.script))
			if tt.edit != nil {
				tt.edit(&d)
			}
			r := n.deploy(d)
			if r.Code != tt.code || !strings.Contains(r.Error, tt.says) || r.Error == "" || strings.Contains(r.Error, "\n") || r.PID != 0 {
				t.Errorf("deploy = %+v, want code %s and mention of %q", r, tt.code, tt.says)
			}
			if tt.name == "throws" {
				n.await("stack in the log", func() bool { return len(n.logs) > 0 })
			}
			if d.Function != nil {
				n.call("").want(503, "no function yet")
			}
			n.undeploy(0)
			n.awaitEnd(0)
		})
	}
}

// An Undeploy does not wait for a function that loads without end.
func TestUndeployWhileLoading(t *testing.T) {
	t.Parallel()
	n := startAgent(t)
	d := n.function(nex.TypeV8, []byte("console.log('loading'); for (;;);"))
	reply := make(chan agentlink.DeployReply, 1)
	go func() { reply <- n.deploy(d) }()
	n.awaitLine("loading")
	n.undeploy(patience)
	if r := <-reply; r.Code != nex.CodeStartFailed || !strings.Contains(r.Error, "undeployed") {
		t.Errorf("deploy = %+v, want that it was undeployed", r)
	}
	n.awaitEnd(0)
}
