package wasm_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/function"
	"github.com/nex-engine/nex/internal/function/wasm"
)

func TestLoadRefuses(t *testing.T) {
	good := wat{}.bytes()
	for name, test := range map[string]struct {
		file []byte
		want []string // in the message
	}{
		"nothing":       {nil, []string{"not a WebAssembly module"}},
		"text":          {[]byte("(module)"), []string{"not a WebAssembly module"}},
		"ELF":           {[]byte("\x7fELF\x02\x01\x01"), []string{"not a WebAssembly module"}},
		"version 2":     {[]byte("\x00asm\x02\x00\x00\x00"), []string{"not a WebAssembly module", "version 1"}},
		"component":     {[]byte("\x00asm\x0d\x00\x01\x00"), []string{"component", "wasm32-wasip1"}},
		"no sections":   {good[:8], []string{"_start", "nex_handle"}},
		"cut off":       {good[:len(good)-3], []string{"cut off", "code"}},
		"no exports":    {wat{exports: []string{"main"}}.bytes(), []string{"neither", "_start", "nex_handle"}},
		"half reactor":  {wat{exports: []string{"_initialize"}}.bytes(), []string{"_initialize", "nex_handle"}},
		"bad handler":   {wat{exports: []string{"nex_handle"}}.bytes(), []string{"nex_handle", "() -> ()", "() -> (i32)"}},
		"bad start":     {wat{exports: []string{"_start"}, result: true, code: constant(0)}.bytes(), []string{"_start", "() -> (i32)"}},
		"bad code":      {wat{code: []byte{drop}}.bytes(), []string{"not valid"}},
		"unknown code":  {wat{code: []byte{0xfb, 0}}.bytes(), []string{"section code", "0xfb"}},
		"wrong order":   {append(bytes.Clone(good), 1, 1, 0), []string{"section type", "wrong place"}},
		"unknown":       {append(bytes.Clone(good), 14, 0), []string{"unknown id 14"}},
		"start traps":   {wat{code: []byte{unreachable}, start: true}.bytes(), []string{"the module cannot be used: the function trapped before its first call: unreachable"}},
		"start exits":   {exitAtStart(3).bytes(), []string{"the module cannot be used: the function exited before its first call with status 3"}},
		"data too far":  {wat{sections: map[byte][]byte{11: concat([]byte{1, 0}, constant(1<<16), []byte{end}, sized([]byte("x")))}}.bytes(), []string{"data[0]"}},
		"two memories":  {wat{sections: map[byte][]byte{5: {2, 0, 1, 0, 1}}}.bytes(), []string{"section memory", "2 memories"}},
		"shared memory": {wat{memory: []byte{3, 1, 2}}.bytes(), []string{"section memory", "shared"}},
		"large memory":  {wat{memory: concat([]byte{0}, number(2000))}.bytes(), []string{"125 MiB", "64 MiB"}},
		"memory of 4 GiB": {
			wat{memory: concat([]byte{0}, number(1<<16))}.bytes(),
			[]string{"4096 MiB", "64 MiB"},
		},
		"imports": {
			wat{imports: []imported{
				{module: "env", name: "emscripten_memcpy"},
				{module: "wasi_snapshot_preview1", name: "fd_teleport"},
				{module: "wasi_snapshot_preview1", name: "fd_teleport"},
				{module: "nex", name: "new\nthing"},
			}}.bytes(),
			[]string{`"env.emscripten_memcpy", "wasi_snapshot_preview1.fd_teleport", "nex.new\nthing";`},
		},
		"import of another type": {
			wat{imports: []imported{{module: "nex", name: "reply", index: 4}}}.bytes(),
			[]string{`"nex.reply"`, "(i32) -> ()", "(i32, i32) -> ()"},
		},
		"imported memory": {
			wat{imports: []imported{{module: "env", name: "memory", kind: []byte{2, 0, 1}}}}.bytes(),
			[]string{`imports its memory as "env.memory"`},
		},
		"imported global": {
			wat{imports: []imported{{module: "env", name: "sp", kind: []byte{3, 0x7f, 0}}}}.bytes(),
			[]string{`"env.sp"`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			message := refused(t, file(t, test.file), nil)
			for _, want := range test.want {
				if !strings.Contains(message, want) {
					t.Errorf("the message = %q, want %q in it", message, want)
				}
			}
			if strings.ContainsAny(message, "\r\n") || len(message) > 1100 {
				t.Errorf("the message is not one line of a bounded length: %q", message)
			}
		})
	}
}

// exitAtStart is a module whose start function exits.
func exitAtStart(status int32) wat {
	w := exit(status)
	w.start = true
	return w
}

// TestLoadRefusesManyImports: the message stays short.
func TestLoadRefusesManyImports(t *testing.T) {
	var w wat
	for i := range 1000 {
		w.imports = append(w.imports, imported{module: "env", name: strings.Repeat("x", 500) + string(rune('a'+i%26)) + string(number(i))})
	}
	if message := refused(t, module(t, w), nil); len(message) > 1100 {
		t.Errorf("the message has %d bytes", len(message))
	}
}

// TestLoadAbsurdSizes: sections that claim to have billions of elements reserve no memory for them.
func TestLoadAbsurdSizes(t *testing.T) {
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0x0f}
	const tableMinimum = 1 << 27
	for name, w := range map[string]wat{
		"types":      {sections: map[byte][]byte{1: huge}},
		"parameters": {sections: map[byte][]byte{1: concat([]byte{1, 0x60}, huge)}},
		"imports":    {sections: map[byte][]byte{2: huge}},
		"name":       {sections: map[byte][]byte{2: concat([]byte{1}, huge)}},
		"functions":  {sections: map[byte][]byte{3: huge}},
		"tables":     {sections: map[byte][]byte{4: huge}},
		"table":      {sections: map[byte][]byte{4: concat([]byte{1, 0x70, 0}, number(tableMinimum))}},
		"globals":    {sections: map[byte][]byte{6: huge}},
		"exports":    {sections: map[byte][]byte{7: huge}},
		"segments":   {sections: map[byte][]byte{9: huge}},
		"elements":   {sections: map[byte][]byte{9: concat([]byte{1, 1, 0}, huge)}},
		"bodies":     {sections: map[byte][]byte{10: huge}},
		"body":       {sections: map[byte][]byte{10: concat([]byte{1}, huge)}},
		"groups":     {sections: map[byte][]byte{10: concat([]byte{1, 7}, huge, []byte{0x7f, end})}},
		"locals":     {sections: map[byte][]byte{10: concat([]byte{1, 9, 1}, huge, []byte{0x7f, end, end})}},
		"branches":   {code: concat(constant(0), []byte{0x0e}, huge)},
		"data":       {sections: map[byte][]byte{11: huge}},
		"segment":    {sections: map[byte][]byte{11: concat([]byte{1, 1}, huge)}},
	} {
		t.Run(name, func(t *testing.T) {
			path := module(t, w)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			refused(t, path, nil)
			runtime.ReadMemStats(&after)
			if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 4<<20 {
				t.Errorf("refusing it took %d bytes", allocated)
			}
		})
	}
}

// TestNamesAreOptional: whatever is wrong with custom sections does not matter.
func TestNamesAreOptional(t *testing.T) {
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0x0f}
	for name, content := range map[string][]byte{
		"no name":          {},
		"cut name":         {9, 'x'},
		"empty":            sized([]byte("name")),
		"absurd":           concat(sized([]byte("name")), []byte{1}, sized(huge)),
		"absurd locals":    concat(sized([]byte("name")), []byte{2}, sized(concat([]byte{1, 0}, huge))),
		"cut subsection":   concat(sized([]byte("name")), []byte{1, 100, 1}),
		"bytes left over":  concat(sized([]byte("name")), []byte{1, 3, 0, 0, 0}),
		"not UTF-8":        concat(sized([]byte("name")), []byte{1, 4, 1, 0, 1, 0xff}),
		"DWARF of nothing": concat(sized([]byte(".debug_info")), huge),
	} {
		t.Run(name, func(t *testing.T) {
			rt := load(t, module(t, wat{custom: concat([]byte{0}, sized(content))}), nil)
			if _, err := call(rt, function.Call{}); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestStackNamesFunctions: the names of functions reach the stack of an error.
func TestStackNamesFunctions(t *testing.T) {
	names := concat(sized([]byte("name")), []byte{1}, sized(concat([]byte{1, 0}, sized([]byte("app::main::crash")))))
	rt := load(t, module(t, wat{code: []byte{unreachable}, custom: concat([]byte{0}, sized(names))}), nil)
	_, err := call(rt, function.Call{})
	e := failure(t, err, function.StatusFailed)
	if e.Message != "the function trapped: unreachable" || !strings.Contains(e.Stack, "app::main::crash") {
		t.Errorf("message %q, stack %q", e.Message, e.Stack)
	}
}

// TestLoadEnvironment: what a WASI program cannot be given is refused.
func TestLoadEnvironment(t *testing.T) {
	path := module(t, wat{})
	for name, value := range map[string]string{"": "x", "A=B": "x", "A\x00": "x", "A": "x\x00y"} {
		message := refused(t, path, func(c *function.Config) { c.Environment = map[string]string{name: value} })
		if !strings.Contains(message, "environment variable") {
			t.Errorf("%q = %q: %s", name, value, message)
		}
	}
}

// TestLoadMissing: the reason of the system is in the message.
func TestLoadMissing(t *testing.T) {
	if message := refused(t, t.TempDir()+"/none.wasm", nil); !strings.Contains(message, "cannot be read") {
		t.Error(message)
	}
}

// TestLoadEndsWithContext: loading ends when its ctx does, also while _initialize runs.
func TestLoadEndsWithContext(t *testing.T) {
	endless := wat{code: []byte{loop, 0x40, br, 0, end}, exports: []string{"_initialize"}}
	path := module(t, reactor(endless, nil))
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	rt, err := wasm.Load(ctx, config(t, path, nil))
	if err == nil {
		rt.Close()
		t.Fatal("Load ends well")
	}
	failure(t, err, function.StatusTimeout)
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("Load took %s", took)
	}
}

// TestInitializeFails: a reactor that does not come up is refused.
func TestInitializeFails(t *testing.T) {
	path := module(t, reactor(wat{code: []byte{unreachable}}, nil))
	want := "the module cannot be used: the function trapped before its first call: unreachable"
	if message := refused(t, path, nil); message != want {
		t.Errorf("the message = %q, want %q", message, want)
	}
}

// reactor makes of a module whose function is _initialize one that has a handler besides, with the code;
// it has type 1, and i32 variables 0 to 3.
func reactor(w wat, handler []byte) wat {
	if handler == nil {
		handler = constant(0)
	}
	initialize := concat([]byte{1, 4, 0x7f}, w.code, []byte{end})
	handle := concat([]byte{1, 4, 0x7f}, handler, []byte{end})
	index := len(w.imports)
	w.sections = map[byte][]byte{
		3:  {2, 0, 1},
		7:  concat([]byte{2}, sized([]byte("_initialize")), []byte{0}, number(index), sized([]byte("nex_handle")), []byte{0}, number(index+1)),
		10: concat([]byte{2}, sized(initialize), sized(handle)),
	}
	return w
}

// TestFileIsTooLarge: a file of any size is read to a bound only.
func TestFileIsTooLarge(t *testing.T) {
	path := file(t, wat{}.bytes())
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		err = errors.Join(f.Truncate(1<<30), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	if message := refused(t, path, nil); !strings.Contains(message, "256 MiB") {
		t.Error(message)
	}
}

// FuzzLoad: no file crashes the process or has it reserve memory for what is not there; and what the
// compiler takes as it is, it takes with the checks in it.
func FuzzLoad(f *testing.F) {
	f.Add(wat{}.bytes())
	f.Add(wat{code: countTo(3)}.bytes())
	f.Add(reactor(wat{imports: []imported{{module: "nex", name: "reply", index: 3}}}, nil).bytes())
	f.Add(every(instructions()).bytes())
	f.Fuzz(func(t *testing.T, content []byte) {
		code, err := wasm.Rewrite(content)
		if err != nil {
			return // and the compiler must not see it
		}
		if err := wasm.Compiles(code); err != nil && wasm.Compiles(content) == nil {
			t.Errorf("the compiler takes the module, but not as it is rewritten: %v", err)
		}
	})
}
