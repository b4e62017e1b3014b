package wasm_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/nex-engine/nex/internal/function"
	"github.com/nex-engine/nex/internal/function/wasm"
)

// most is more than any module of these tests is compiled to.
const most = 64 << 20

// loadKept loads a module with a file of compiled code, empty for none, calls it, and returns what was
// compiled, nil if nothing was.
func loadKept(tb testing.TB, path, compiled string) []byte {
	tb.Helper()
	rt := load(tb, path, func(c *function.Config) { c.Compiled, c.KeepCompiled = compiled, most })
	defer rt.Close()
	if _, err := call(rt, function.Call{}); err != nil {
		tb.Fatal(err)
	}
	content := rt.(function.Compiler).Compiled()
	if rt.(function.Compiler).Compiled() != nil {
		tb.Error("what was compiled is there a second time")
	}
	return content
}

// TestCompiledIsUsed: what was compiled is not compiled again.
func TestCompiledIsUsed(t *testing.T) {
	path := module(t, wat{code: countTo(10)})
	first := loadKept(t, path, "")
	if first == nil {
		t.Fatal("nothing was compiled")
	}
	if again := loadKept(t, path, ""); !bytes.Equal(again, first) {
		t.Error("what is compiled is not always the same")
	}
	kept := file(t, first)
	if loadKept(t, path, kept) != nil {
		t.Error("it was compiled although that was there")
	}
	if content, err := os.ReadFile(kept); err != nil || !bytes.Equal(content, first) {
		t.Errorf("the file has changed: %v", err)
	}
}

// TestCompiledIsKept: what was compiled is there if it is wanted, and not too large.
func TestCompiledIsKept(t *testing.T) {
	path := module(t, wat{code: countTo(10)})
	whole := loadKept(t, path, "")
	size := int64(len(whole))
	for most, want := range map[int64][]byte{-1: nil, 0: nil, 1: nil, 80: nil, size - 1: nil, size: whole, size + 1: whole} {
		rt := load(t, path, func(c *function.Config) { c.KeepCompiled = most })
		if got := rt.(function.Compiler).Compiled(); !bytes.Equal(got, want) {
			t.Errorf("of at most %d bytes there are %d, want %d", most, len(got), len(want))
		}
		if _, err := call(rt, function.Call{}); err != nil {
			t.Error(err)
		}
	}
	rt := load(t, path, func(c *function.Config) { c.KeepCompiled = most })
	rt.Close()
	if rt.(function.Compiler).Compiled() != nil {
		t.Error("it is there after the runtime was closed")
	}
}

// TestCompiledOfAnother: what does not fit is compiled.
func TestCompiledOfAnother(t *testing.T) {
	path := module(t, wat{code: countTo(10)})
	own := loadKept(t, path, "")
	code, identity := own[:int64(len(own))-wasm.SealSize], wasm.Identity(own)
	other := identity
	other[0] ^= 1
	for what, content := range map[string][]byte{
		"another module":          loadKept(t, module(t, wat{code: countTo(11)}), ""),
		"another processor":       wasm.Seal(code, other),
		"another version":         wasm.Seal(bytes.Replace(code, code[7:11], []byte("v0.1"), 1), identity),
		"a longer version":        wasm.Seal(append([]byte("WAZEVO\xff"), code[7:]...), identity),
		"no code":                 wasm.Seal([]byte("whole, and no code"), identity),
		"half the code":           wasm.Seal(code[:len(code)/2], identity),
		"a part of the beginning": wasm.Seal(code[:8], identity),
		"nothing":                 wasm.Seal(nil, identity),
	} {
		t.Run(what, func(t *testing.T) {
			if got := loadKept(t, path, file(t, content)); !bytes.Equal(got, own) {
				t.Errorf("%d bytes were compiled, want the %d that fit", len(got), len(own))
			}
		})
	}
}

// TestDamagedCompiled: whatever has become of the file, the function runs, and what fits is compiled.
func TestDamagedCompiled(t *testing.T) {
	path := module(t, wat{code: countTo(10)})
	whole := loadKept(t, path, "")
	flip := func(at int) []byte {
		b := bytes.Clone(whole)
		b[(at+len(b))%len(b)] ^= 0xff
		return b
	}
	for what, content := range map[string][]byte{
		"cut":            whole[:len(whole)/2],
		"cut at end":     whole[:len(whole)-1],
		"seal alone":     whole[int64(len(whole))-wasm.SealSize:],
		"empty":          nil,
		"longer":         append(bytes.Clone(whole), 0),
		"later begin":    append([]byte{0}, whole...),
		"other magic":    flip(0),
		"other count":    flip(20),
		"other code":     flip(-200),
		"other identity": flip(-60),
		"other sum":      flip(-20),
		"other seal":     flip(-1),
	} {
		t.Run(what, func(t *testing.T) {
			if got := loadKept(t, path, file(t, content)); !bytes.Equal(got, whole) {
				t.Errorf("%d bytes were compiled, want %d", len(got), len(whole))
			}
		})
	}
	for what, name := range map[string]string{
		"none": filepath.Join(t.TempDir(), "none"), "a directory": t.TempDir(), "below a file": filepath.Join(path, "x"),
	} {
		if got := loadKept(t, path, name); !bytes.Equal(got, whole) {
			t.Errorf("%s: %d bytes were compiled, want %d", what, len(got), len(whole))
		}
	}
}

// TestCompiledInVain: a load that fails does so whatever is given.
func TestCompiledInVain(t *testing.T) {
	path := module(t, wat{code: countTo(10)})
	compiled := file(t, loadKept(t, path, ""))
	give := func(c *function.Config) { c.Compiled, c.KeepCompiled = compiled, most }
	refused(t, file(t, []byte("\x00asm\x01\x00\x00\x00")), give)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if rt, err := wasm.Load(ctx, config(t, path, give)); err == nil {
		rt.Close()
		t.Error("Load succeeds with a ctx that is over")
	}
}

// FuzzUnseal: of a file from outside no more is taken than what was sealed.
func FuzzUnseal(f *testing.F) {
	var identity wasm.CacheKey
	f.Add(wasm.Seal([]byte("code"), identity))
	f.Add(wasm.Seal(nil, identity))
	f.Add(append(wasm.Seal(nil, identity), "nexwasm1"...))
	f.Add([]byte("nexwasm1"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if code, err := wasm.Unseal(content, identity); err == nil && !bytes.Equal(wasm.Seal(code, identity), content) {
			t.Errorf("%q is taken for %q", content, code)
		}
		if code, err := wasm.Unseal(wasm.Seal(content, identity), identity); err != nil || !bytes.Equal(code, content) {
			t.Errorf("%q is taken for %q, %v", content, code, err)
		}
		other := identity
		other[5] = 1
		if _, err := wasm.Unseal(wasm.Seal(content, identity), other); err == nil {
			t.Errorf("%q is taken for that of another identity", content)
		}
	})
}
