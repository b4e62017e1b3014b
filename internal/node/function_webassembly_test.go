package node_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/nats-io/nats.go/micro"

	nex "github.com/nex-engine/nex"
)

// Parts of WebAssembly modules, as the specification of its binary format numbers them.
const (
	wasmTypes     = 1
	wasmImports   = 2
	wasmFunctions = 3
	wasmMemories  = 5
	wasmExports   = 7
	wasmCode      = 10
	wasmData      = 11
)

var wasmHeader = []byte("\x00asm\x01\x00\x00\x00")

// sized is b after its size.
func sized(b []byte) []byte { return append(binary.AppendUvarint(nil, uint64(len(b))), b...) }

// section is a part of a module.
func section(id byte, content ...[]byte) []byte {
	return append([]byte{id}, sized(append(binary.AppendUvarint(nil, uint64(len(content))), slices.Concat(content...)...))...)
}

// export and imports name functions and memories.
func export(name string, kind, index byte) []byte { return append(sized([]byte(name)), kind, index) }

func imported(module, name string, of byte) []byte {
	return slices.Concat(sized([]byte(module)), sized([]byte(name)), []byte{0, of})
}

// command is a module whose function 2, _start, has the code. It imports proc_exit as function 0 and
// fd_write as function 1, and has a memory of two pages, in which 64 KiB at address 16 are to be
// written by what is at address 0.
func command(code ...byte) []byte {
	return slices.Concat(
		wasmHeader,
		section(wasmTypes, []byte("\x60\x00\x00"), []byte("\x60\x01\x7f\x00"), []byte("\x60\x04\x7f\x7f\x7f\x7f\x01\x7f")),
		section(wasmImports, imported("wasi_snapshot_preview1", "proc_exit", 1), imported("wasi_snapshot_preview1", "fd_write", 2)),
		section(wasmFunctions, []byte{0}),
		section(wasmMemories, []byte{0, 2}),
		section(wasmExports, export("memory", 2, 0), export("_start", 0, 2)),
		section(wasmCode, sized(slices.Concat([]byte{0}, code, []byte{0x0b}))),
		section(wasmData, slices.Concat([]byte{0, 0x41, 0, 0x0b}, sized([]byte{16, 0, 0, 0, 0, 0, 1, 0}))),
	)
}

// The code of commands; 0x03 begins a loop and 0x0c 0x00 continues it.
var (
	wasmLoop  = command(0x03, 0x40, 0x0c, 0x00, 0x0b)
	wasmGrab  = command(0x03, 0x40, 0x41, 0x10, 0x40, 0x00, 0x41, 0x7f, 0x47, 0x0d, 0x00, 0x0b, 0x00) // grows while that succeeds, then traps
	wasmFlood = command(0x03, 0x40, 0x41, 0x01, 0x41, 0x00, 0x41, 0x01, 0x41, 0x08, 0x10, 0x01, 0x1a, 0x0c, 0x00, 0x0b)
	wasmExit  = command(0x41, 0x03, 0x10, 0x00)
	wasmDeep  = command(0x10, 0x02)
	wasmTrap  = command(0x00)
	wasmQuiet = command()
)

// TestWasmThatCannotBeLoaded shows that who deploys it is told why.
func TestWasmThatCannotBeLoaded(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.neighbour()
	for _, c := range []struct {
		name    string
		content []byte
		texts   []string
	}{
		{"text", []byte("(subject, payload) => payload"), []string{"WebAssembly"}},
		{"truncated", wasmQuiet[:len(wasmQuiet)-20], []string{"it is cut off"}},
		{"component", []byte("\x00asm\x0d\x00\x01\x00"), []string{"component"}},
		{"empty", wasmHeader, []string{"_start"}},
		{"imports", slices.Concat(
			wasmHeader, section(wasmTypes, []byte("\x60\x00\x00")),
			section(wasmImports, imported("env", "launch", 0), imported("env", "rocket", 0)), section(wasmFunctions, []byte{0}),
			section(wasmExports, export("_start", 0, 2)), section(wasmCode, sized([]byte{0, 0x0b})),
		), []string{"env", "launch", "rocket"}},
		{"invalid", bytes.Replace(wasmQuiet, []byte{0x0b}, []byte{0x6a}, 1), []string{"the module is not valid"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := r.on(t)
			in.unloadable(in.function(nex.TypeWasm, c.name, "bad", c.content), c.texts...)
			in.answering()
			in.clean()
		})
	}
	r.unharmed()
}

// TestWasmThatMisbehaves shows that each call is answered, and that nobody else notices.
func TestWasmThatMisbehaves(t *testing.T) {
	t.Parallel()
	r := start(t, func(s *setup) {
		s.Functions.CallTimeoutMs, s.Functions.MemoryMiB = 500, 16
		s.MachinePoolSize = 2
	})
	r.neighbour()
	for _, c := range []struct {
		name    string
		content []byte
		status  int
		text    string
	}{
		{"loop", wasmLoop, 408, "deadline"},
		{"grab", wasmGrab, 500, "memory"},
		{"flood", wasmFlood, 413, "more than"},
		{"exit", wasmExit, 500, "3"},
		{"trap", wasmTrap, 500, "unreachable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := r.on(t)
			d := in.function(nex.TypeWasm, c.name, "bad", c.content)
			id := in.deploy(d)
			for range 3 { // a call leaves nothing behind that the next would notice
				in.fails("bad", "", c.status, c.text)
				in.answering()
			}
			if n := in.restarts(id); n != 0 {
				t.Errorf("the function was restarted %d times, want its agent to outlive that", n)
			}
			in.undeploy(d, id)
			in.clean()
		})
	}
	quiet := r.function(nex.TypeWasm, "quiet", "quiet", wasmQuiet)
	id := r.deploy(quiet)
	r.gives("quiet", "hey", "")
	r.undeploy(quiet, id)
	r.unharmed()
}

// TestWasmThatCallsItselfWithoutEnd shows that a stack without end is the caller's error, whether the
// runtime, the memory limit or the deadline ends it.
func TestWasmThatCallsItselfWithoutEnd(t *testing.T) {
	t.Parallel()
	r := start(t, func(s *setup) { s.Functions.CallTimeoutMs = 2000 })
	r.neighbour()
	d := r.function(nex.TypeWasm, "deep", "deep", wasmDeep)
	id := r.deploy(d)
	if m := r.call("deep", ""); m.Header.Get(micro.ErrorCodeHeader) == "" || m.Header.Get(micro.ErrorHeader) == "" {
		t.Errorf("answer = %q with %v, want an error", m.Data, m.Header)
	}
	r.answering()
	r.awaitState(id, nex.StateRunning)
	r.undeploy(d, id)
	r.unharmed()
}
