package wasm_test

import (
	"testing"

	"github.com/nex-engine/nex/internal/function/functiontest"
	"github.com/nex-engine/nex/internal/function/wasm"
	"github.com/nex-engine/nex/internal/function/wasm/wasmtest"
)

const (
	conformanceGo   = "internal/function/wasm/testdata/conformance-go"
	conformanceRust = "internal/function/wasm/testdata/conformance-rust"
)

func TestConformance(t *testing.T) {
	for name, build := range map[string]func(*testing.T) string{
		"rust command": func(t *testing.T) string { return wasmtest.Rust(t, conformanceRust, "command") },
		"rust reactor": func(t *testing.T) string { return wasmtest.Rust(t, conformanceRust, "reactor") },
		"go reactor":   func(t *testing.T) string { return wasmtest.GoReactor(t, conformanceGo) },
	} {
		t.Run(name, func(t *testing.T) {
			module := build(t)
			guests := map[functiontest.Guest]string{}
			for _, g := range []functiontest.Guest{
				functiontest.Echo, functiontest.Subjects, functiontest.Headers, functiontest.Env, functiontest.Large,
				functiontest.Log, functiontest.Fail, functiontest.Throw, functiontest.Endless, functiontest.Grab,
				functiontest.Host, functiontest.AwaitHost, functiontest.HostError, functiontest.State,
			} {
				guests[g] = module
			}
			s := functiontest.Subject{Load: wasm.Load, Guests: guests}
			if name == "go reactor" {
				s.Cannot = map[string]string{"LoadAgain": "compiling Go four times takes a minute with the race detector; Rust is checked"}
			}
			functiontest.Run(t, s)
		})
	}
}
