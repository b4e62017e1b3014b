package bench_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
	"github.com/nex-engine/nex/internal/function/wasm/wasmtest"
)

// functionNamed makes a deployment of a function, whose artifact it uploads. It is called on
// fn.<name>.
func (r *rig) functionNamed(name string, t nex.WorkloadType, artifact io.ReadSeeker) client.Deployment {
	r.b.Helper()
	location, digest, err := r.client.Upload(r.b.Context(), client.Upload{Bucket: "BENCH", Key: name, Content: artifact})
	if err != nil {
		r.b.Fatal(err)
	}
	return client.Deployment{
		Node: r.node.NodeID, Xkey: r.node.TargetXkey, Issuer: r.issuer, Sender: r.xkey, Name: name,
		Type: t, Location: location, Digest: digest, Triggers: []string{"fn." + name},
	}
}

// javascript is a function that answers with its payload.
func (r *rig) javascript() client.Deployment {
	r.b.Helper()
	return r.functionNamed("javascript", nex.TypeV8, strings.NewReader("(subject, payload) => payload"))
}

// wasmCommand is the example in Rust, which answers with its payload and its subject, by a fresh
// instance for each call.
func (r *rig) wasmCommand() client.Deployment {
	r.b.Helper()
	return r.functionNamed("command", nex.TypeWasm, moduleFile(r.b, wasmtest.Rust(r.b, "examples/wasm-rust", "echofunction")))
}

// wasmGoCommand is the example in Go.
func (r *rig) wasmGoCommand() client.Deployment {
	r.b.Helper()
	return r.functionNamed("gocommand", nex.TypeWasm, moduleFile(r.b, wasmtest.Go(r.b, "examples/wasm-go")))
}

// wasmReactor answers with its payload, by instances that are kept. It is the guest of the runtime's
// conformance suite, which is told what to do by its environment.
func (r *rig) wasmReactor() client.Deployment {
	r.b.Helper()
	d := r.functionNamed("reactor", nex.TypeWasm, moduleFile(r.b, wasmtest.Rust(r.b, "internal/function/wasm/testdata/conformance-rust", "reactor")))
	d.Environment = map[string]string{"NEX_GUEST": "echo"}
	return d
}

func moduleFile(b *testing.B, path string) *bytes.Reader {
	b.Helper()
	module, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	return bytes.NewReader(module)
}

// caller is a connection as users of functions have it.
func (r *rig) caller() *nats.Conn {
	r.b.Helper()
	nc, err := nats.Connect(r.url)
	if err != nil {
		r.b.Fatal(err)
	}
	r.b.Cleanup(nc.Close)
	return nc
}

// answers calls a function and fails unless its answer begins with the payload.
func answers(b *testing.B, nc *nats.Conn, subject string) {
	b.Helper()
	m, err := nc.Request(subject, []byte("sixteen bytes ok"), 10*time.Second)
	if err != nil {
		b.Fatalf("%s: %v", subject, err)
	}
	if code := m.Header.Get(micro.ErrorCodeHeader); code != "" || !bytes.HasPrefix(m.Data, []byte("sixteen bytes ok")) {
		b.Fatalf("%s answers %s %.100q", subject, code, m.Data)
	}
}

// ready measures the time from the request to deploy a function until it has answered its first
// call, while an agent is idle. Before each time, prepare may change what there is.
func (r *rig) ready(d *client.Deployment, prepare func()) {
	b, nc := r.b, r.caller()
	var times []time.Duration
	for b.Loop() {
		b.StopTimer()
		prepare()
		r.awaitWarm()
		b.StartTimer()
		began := time.Now()
		id := r.deploy(*d)
		answers(b, nc, d.Triggers[0])
		times = append(times, time.Since(began))
		b.StopTimer()
		r.stop(*d, id)
		b.StartTimer()
	}
	median(b, "ready", times)
}

// BenchmarkReadyJavaScript is from the request to deploy a function in JavaScript, whose artifact is
// in the cache, until its first answer.
func BenchmarkReadyJavaScript(b *testing.B) {
	r := start(b)
	d := r.javascript()
	r.stop(d, r.deploy(d)) // fills the artifact cache
	r.ready(&d, func() {})
}

// readyWasm measures a command whose compiled code is there, or never is.
func (r *rig) readyWasm(d client.Deployment, warm bool) {
	r.b.Helper()
	compiled := filepath.Join(r.up.Ready.DataDir, "compiled")
	id := r.deploy(d) // fills the artifact cache
	r.awaitFile(filepath.Join(compiled, "*", d.Digest))
	r.stop(d, id)
	r.ready(&d, func() {
		if warm {
			return
		}
		if err := os.RemoveAll(compiled); err != nil {
			r.b.Fatal(err)
		}
	})
}

// awaitFile waits until there is a file that matches a pattern.
func (r *rig) awaitFile(pattern string) {
	r.b.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if found, err := filepath.Glob(pattern); err != nil || len(found) > 0 {
			return
		}
		if time.Now().After(deadline) {
			r.b.Fatalf("there is no file %s", pattern)
		}
	}
}

// BenchmarkReadyWasm is the same for a command in Rust that was compiled before.
func BenchmarkReadyWasm(b *testing.B) {
	r := start(b)
	r.readyWasm(r.wasmCommand(), true)
}

// BenchmarkReadyWasmCold is the same for one that was not.
func BenchmarkReadyWasmCold(b *testing.B) {
	r := start(b)
	r.readyWasm(r.wasmCommand(), false)
}

// BenchmarkReadyWasmSandboxed is the same in a sandbox, also for a command in Go, which is larger.
func BenchmarkReadyWasmSandboxed(b *testing.B) {
	for _, run := range []struct {
		name    string
		command func(*rig) client.Deployment
		warm    bool
	}{
		{"rust/warm", (*rig).wasmCommand, true},
		{"rust/cold", (*rig).wasmCommand, false},
		{"go/warm", (*rig).wasmGoCommand, true},
		{"go/cold", (*rig).wasmGoCommand, false},
	} {
		b.Run(run.name, func(b *testing.B) {
			r := startSandboxed(b)
			r.readyWasm(run.command(r), run.warm)
		})
	}
}
