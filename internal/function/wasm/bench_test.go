package wasm_test

import (
	"context"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/function"
	"github.com/nex-engine/nex/internal/function/wasm"
	"github.com/nex-engine/nex/internal/function/wasm/wasmtest"
)

// examples are the functions of the examples folder, by what they are.
func examples(tb testing.TB) map[string]string {
	return map[string]string{
		"rust command": wasmtest.Rust(tb, "examples/wasm-rust", "echofunction"),
		"go command":   wasmtest.Go(tb, "examples/wasm-go"),
		"rust reactor": wasmtest.Rust(tb, "examples/wasm-reactor-rust", "counterfunction"),
		"go reactor":   wasmtest.GoReactor(tb, "examples/wasm-reactor-go"),
	}
}

// BenchmarkLoad measures loading without and with what was compiled before.
func BenchmarkLoad(b *testing.B) {
	for name, module := range examples(b) {
		load := func(compiled string) {
			rt, err := wasm.Load(context.Background(), config(b, module, func(c *function.Config) { c.Compiled = compiled }))
			if err != nil {
				b.Fatal(err)
			}
			rt.Close()
		}
		b.Run(name+"/cold", func(b *testing.B) {
			for b.Loop() {
				load("")
			}
		})
		b.Run(name+"/warm", func(b *testing.B) {
			compiled := file(b, loadKept(b, module, ""))
			for b.Loop() {
				load(compiled)
			}
		})
	}
}

// BenchmarkCall measures one call after another. The reactors each make two host service requests in it,
// which an empty host answers at once.
func BenchmarkCall(b *testing.B) {
	modules := examples(b)
	modules["rust reactor echo"] = wasmtest.Rust(b, conformanceRust, "reactor")
	modules["go reactor echo"] = wasmtest.GoReactor(b, conformanceGo)
	for name, module := range modules {
		b.Run(name, func(b *testing.B) {
			rt := load(b, module, func(c *function.Config) {
				c.Log = func(function.LogLine) {}
				c.Environment = map[string]string{"NEX_GUEST": "echo"}
			})
			ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
			defer cancel()
			call := function.Call{ID: "1", Subject: "wasm.echo", Payload: []byte("sixteen bytes ok")}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := rt.Call(ctx, call); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkLoop measures code that does nothing but compute: 100 million iterations.
func BenchmarkLoop(b *testing.B) {
	rt := load(b, module(b, wat{code: countTo(100_000_000)}), nil)
	for b.Loop() {
		if _, err := rt.Call(context.Background(), function.Call{}); err != nil {
			b.Fatal(err)
		}
	}
}
