package wasm_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/function"
	"github.com/nex-engine/nex/internal/function/wasm"
	"github.com/nex-engine/nex/internal/hostapi"
)

// config is good for any function. Its host is a key-value store, its log the test's.
func config(tb testing.TB, path string, change func(*function.Config)) function.Config {
	cfg := function.Config{
		Name: "fn", Namespace: "default", ID: "w1", Path: path,
		Concurrency: 2, MemoryBytes: 64 << 20, MaxResultBytes: 1 << 20,
		Host: newStore(),
		Log:  func(l function.LogLine) { tb.Logf("%s %s: %s", l.Stream, l.Level, l.Text) },
	}
	if change != nil {
		change(&cfg)
	}
	return cfg
}

// load loads a function and closes it when the test ends.
func load(tb testing.TB, path string, change func(*function.Config)) function.Runtime {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute) // compiling takes long with the race detector
	defer cancel()
	rt, err := wasm.Load(ctx, config(tb, path, change))
	if err != nil {
		tb.Fatalf("Load: %v", err)
	}
	tb.Cleanup(rt.Close)
	return rt
}

// refused loads a function and wants it refused; it returns the reason.
func refused(tb testing.TB, path string, change func(*function.Config)) string {
	tb.Helper()
	rt, err := wasm.Load(context.Background(), config(tb, path, change))
	if err == nil {
		rt.Close()
		tb.Fatal("Load accepts it")
	}
	return failure(tb, err, function.StatusBadRequest).Message
}

// failure checks that an error is one for callers, with the status.
func failure(tb testing.TB, err error, status int) *function.Error {
	tb.Helper()
	e, ok := errors.AsType[*function.Error](err)
	if !ok {
		tb.Fatalf("the error is %T %v, want a *function.Error", err, err)
	}
	if e.Status != status {
		tb.Errorf("the status of %q is %d, want %d", e.Message, e.Status, status)
	}
	return e
}

// call calls a function within a minute.
func call(rt function.Runtime, c function.Call) (function.Result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return rt.Call(ctx, c)
}

// store is a host that has a key-value store alone.
type store struct {
	mu     sync.Mutex
	values map[string][]byte
}

func newStore() *store { return &store{values: map[string][]byte{}} }

func (s *store) Request(_ context.Context, r hostapi.Request) (hostapi.Response, error) {
	var key hostapi.KeyRequest
	if err := json.Unmarshal(r.Meta, &key); err != nil {
		return hostapi.Response{}, hostapi.Errorf(hostapi.CodeInvalid, "the metadata %q is no key", r.Meta)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch value, known := s.values[key.Key]; {
	case r.Service != hostapi.KV:
		return hostapi.Response{}, hostapi.Errorf(hostapi.CodeDenied, "there is no service %s", r.Service)
	case r.Method == "set":
		s.values[key.Key] = r.Body
		return hostapi.Response{}, nil
	case known:
		return hostapi.Response{Body: value}, nil
	}
	return hostapi.Response{}, hostapi.Errorf(hostapi.CodeNotFound, "there is no key %q", key.Key)
}

// wat describes a small module: what it imports from whom, with the index of a type, its memory, and
// one function of type 0, "() -> ()", with i32 variables 0 to 3, that is exported as _start unless
// exports say otherwise.
//
// The types are 0 "() -> ()", 1 "() -> i32", 2 "(i32, i32) -> i32", 3 "(i32, i32) -> ()",
// 4 "(i32) -> ()", 5 "(i32, i32, i32) -> ()", 6 "(i32, i32, i32, i32) -> i32", 7 "(i32 ×8) -> i32".
type wat struct {
	imports  []imported
	memory   []byte // limits; nil is one page without a maximum, empty is no memory
	code     []byte // without the last end
	result   bool   // the function has type 1
	exports  []string
	start    bool // the function is the start function too
	sections map[byte][]byte
	custom   []byte
}

type imported struct {
	module, name string
	kind         []byte // kind and description; nil is a function of the type
	index        byte
}

// Instructions.
const (
	unreachable = 0x00
	loop        = 0x03
	end         = 0x0b
	br          = 0x0c
	brIf        = 0x0d
	callOp      = 0x10
	drop        = 0x1a
	localGet    = 0x20
	localSet    = 0x21
	localTee    = 0x22
	i32Const    = 0x41
	memoryGrow  = 0x40
	i32Add      = 0x6a
	i32Ne       = 0x47
)

var wasmTypes = []byte{
	8,
	0x60, 0, 0,
	0x60, 0, 1, 0x7f,
	0x60, 2, 0x7f, 0x7f, 1, 0x7f,
	0x60, 2, 0x7f, 0x7f, 0,
	0x60, 1, 0x7f, 0,
	0x60, 3, 0x7f, 0x7f, 0x7f, 0,
	0x60, 4, 0x7f, 0x7f, 0x7f, 0x7f, 1, 0x7f,
	0x60, 8, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 1, 0x7f,
}

// number is an unsigned number as the format has it, constant an i32.const.
func number(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }

func constant(n int32) []byte {
	out := []byte{i32Const}
	for {
		b := byte(n & 0x7f)
		n >>= 7
		if n == 0 && b&0x40 == 0 || n == -1 && b&0x40 != 0 {
			return append(out, b)
		}
		out = append(out, b|0x80)
	}
}

func sized(b []byte) []byte { return append(number(len(b)), b...) }

func concat(parts ...[]byte) (out []byte) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// bytes is the module.
func (w wat) bytes() []byte {
	if w.memory == nil {
		w.memory = []byte{0, 1}
	}
	if w.exports == nil {
		w.exports = []string{"_start"}
	}
	imports := number(len(w.imports))
	functions := 0
	for _, i := range w.imports {
		if i.kind == nil {
			i.kind = []byte{0, i.index}
		}
		if i.kind[0] == 0 {
			functions++
		}
		imports = concat(imports, sized([]byte(i.module)), sized([]byte(i.name)), i.kind)
	}
	exports := number(len(w.exports))
	for _, name := range w.exports {
		exports = concat(exports, sized([]byte(name)), []byte{0}, number(functions))
	}
	body := concat([]byte{1, 4, 0x7f}, w.code, []byte{end})
	content := map[byte][]byte{
		1: wasmTypes, 2: imports, 3: {1, 0}, 5: concat([]byte{1}, w.memory), 7: exports,
		10: concat([]byte{1}, sized(body)),
	}
	if w.result {
		content[3] = []byte{1, 1}
	}
	if len(w.memory) == 0 {
		delete(content, 5)
	}
	if w.start {
		content[8] = number(functions)
	}
	for id, section := range w.sections {
		content[id] = section
	}
	out := []byte("\x00asm\x01\x00\x00\x00")
	for _, id := range []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11} {
		if section, ok := content[id]; ok {
			out = concat(out, []byte{id}, sized(section))
		}
	}
	return append(out, w.custom...)
}

// module writes a module to a file and returns its path.
func module(tb testing.TB, w wat) string { return file(tb, w.bytes()) }

func file(tb testing.TB, content []byte) string {
	path := filepath.Join(tb.TempDir(), "fn.wasm")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// countTo is a loop that does nothing but count.
func countTo(n int32) []byte {
	return concat([]byte{loop, 0x40, localGet, 0}, constant(1), []byte{i32Add, localTee, 0}, constant(n), []byte{i32Ne, brIf, 0, end})
}
