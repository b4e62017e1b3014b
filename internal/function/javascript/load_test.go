//go:build cgo && linux && (amd64 || arm64)

package javascript_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/function"
	"github.com/nex-engine/nex/internal/function/javascript"
)

// loadError loads a function that is not in order.
func loadError(t *testing.T, source string, within time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	rt, err := javascript.Load(ctx, config(t, source))
	if err == nil {
		rt.Close()
		t.Fatal("the function loads")
	}
	return err
}

func TestLoadRefuses(t *testing.T) {
	for _, c := range []struct{ name, source, want string }{
		{"syntax error", "(subject) => {\n  return 1 +;\n}", "echo.js:2:13 does not compile: SyntaxError: Unexpected token ';'"},
		{"unfinished", "(subject) => {", "echo.js:1:15 does not compile: SyntaxError: Unexpected end of input"},
		{"no function", "const x = 1;\n({handler: 1})", "echo.js: its last expression, in a module its default export, must be the function, but is object"},
		{"nothing", "", "must be the function, but is undefined"},
		{"null", "null", "must be the function, but is null"},
		{"throws", "const f = () => 1;\nnull.x;\nf", "echo.js:2:6 cannot be loaded, because its code throws: TypeError: Cannot read properties of null"},
		{"throws a string", "throw 'no luck'", "echo.js:1:1 cannot be loaded, because its code throws: no luck"},
		{"throws in the runtime", "\n hostServices.kv.get(1)", "echo.js:2:18 cannot be loaded, because its code throws: TypeError: the key must be a string"},
		{"NUL", "const a = '\n\x00';", "it has a NUL byte in line 2"},
		{"not UTF-8", "'\xff'", "it is not UTF-8"},
		{"WebAssembly", "\x00asm\x01\x00\x00\x00", "is WebAssembly and not JavaScript"},
		{"module without a default", "export const f = 1", "its default export must be the function, but is undefined"},
		{"module with an import", "import x from './y.js'\nexport default x", `echo.js:1:15 cannot be loaded: it imports "./y.js", and a function is one file: make one of its files with nex devrun`},
		{"module with a syntax error", "export default (a) => {\n  return 1 +;\n}", "echo.js:2:13 does not compile: "},
		{"a class", "(class { a() {} })", "must be the function, but is a class, which cannot be called; write: (subject, payload) => …"},
		{"a class without spaces", "(class{})", "is a class, which cannot be called"},
		{"module with a class", "export default class Echo {}", "its default export must be the function, but is a class, which cannot be called"},
		{"a generator", "(function* () { yield 1 })", "is a generator function, which returns an iterator and no reply"},
		{"module with an async generator", "export default async function* () { yield 1 }", "is a generator function, which returns an iterator and no reply"},
		{"module that throws", "let a;\nexport default a.b;", "echo.js:2:18 cannot be loaded, because its code throws: TypeError: Cannot read properties of undefined"},
		{"await at the top level", "const a = await 1;\nexport default () => a", "echo.js:1:11 does not compile: Top-level await"},
	} {
		t.Run(c.name, func(t *testing.T) {
			refused(t, loadError(t, c.source, patience), function.StatusBadRequest, c.want)
		})
	}
}

func TestLoadErrorHasStack(t *testing.T) {
	e := refused(t, loadError(t, "function f() {\n  throw new Error('boom');\n}\nf();", patience), 400, "echo.js:2:3 cannot be loaded, because its code throws: Error: boom")
	if want := "Error: boom\n    at f (echo.js:2:9)\n    at echo.js:4:1"; e.Stack != want {
		t.Errorf("the stack = %q, want %q", e.Stack, want)
	}
}

func TestLoadDoesNotEnd(t *testing.T) {
	for _, source := range []string{"for (;;);", "(async () => { for (;;) await 0 })(); () => 1", "export default () => 1; for (;;);"} {
		began := time.Now()
		refused(t, loadError(t, source, 100*time.Millisecond), function.StatusBadRequest, "did not finish loading in time")
		if took := time.Since(began); took > 2*function.StopWithin {
			t.Errorf("%s: Load took %s", source, took)
		}
	}
}

func TestLoadNeedsTooMuchMemory(t *testing.T) {
	err := loadError(t, "const a = []; for (;;) a.push(new Array(1000).fill(1))", patience)
	refused(t, err, function.StatusBadRequest, "the function cannot be loaded: the function needed more than the 64 MiB of memory")
}

func TestLoadModule(t *testing.T) {
	for name, source := range map[string]string{
		"arrow":          "export default (subject, payload) => payload",
		"function":       "export default function (subject, payload) { return payload }",
		"async function": "export default async function echo(subject, payload) { return await payload }",
		"named":          "const echo = (subject, payload) => payload;\nexport { echo as default }",
		"import.meta":    "const a = import.meta; export default (subject, payload) => payload",
		"parameter":      "export default classes => 'x'",
		"method":         "export default ({ class() { return 'x' } }).class",
		"built in":       "export default String.bind(null, 'x')",
		"this":           "const self = this; export default (subject, payload) => self === globalThis && this.hostServices ? payload : 'no'",
	} {
		t.Run(name, func(t *testing.T) {
			if got := reply(t, load(t, source), "x"); got != "x" {
				t.Errorf("the reply = %q", got)
			}
		})
	}
}

// The value of each example is its function, comments and all.
func TestLoadExamples(t *testing.T) {
	example := func(path string) function.Runtime {
		source, err := os.ReadFile("../../../examples/" + path)
		if err != nil {
			t.Fatal(err)
		}
		return load(t, string(source))
	}
	if got := reply(t, example("javascript/echofunction.js"), "heya"); got != "heya" {
		t.Errorf("the echo = %q", got)
	}
	_, err := call(t, example("hostservices/guestbook.js"), " ")
	refused(t, err, function.StatusBadRequest, "send your name")
}

// The state of a file's variables is kept from call to call.
func TestLoadRunsOnce(t *testing.T) {
	rt := load(t, "let n = 0; () => String(++n)")
	for _, want := range []string{"1", "2", "3"} {
		if got := reply(t, rt, ""); got != want {
			t.Errorf("the reply = %q, want %q", got, want)
		}
	}
}

// What the top level has left behind is dropped.
func TestLoadLeavesNothing(t *testing.T) {
	var log recorder
	rt := load(t, "setTimeout(() => console.log('late'), 1); () => new Promise((f) => setTimeout(f, 20))", func(c *function.Config) { c.Log = log.add })
	reply(t, rt, "")
	if got := log.text(); got != "" {
		t.Errorf("the log = %q", got)
	}
}

// A bundle's errors and logs name the files that the user wrote, through the map at its end.
func TestSourceMap(t *testing.T) {
	bundle, err := os.ReadFile("testdata/bundle.js")
	if err != nil {
		t.Fatal(err)
	}
	var log recorder
	rt := load(t, string(bundle), func(c *function.Config) { c.Log = log.add })
	_, err = call(t, rt, "")
	e := refused(t, err, function.StatusFailed, "Error: boom")
	want := "Error: boom\n    at fail (src/greet.ts:3:9)\n    at main_default (src/main.ts:6:10)"
	if e.Stack != want {
		t.Errorf("the stack = %q, want %q", e.Stack, want)
	}
	if got, want := log.text(), "stderr ERROR Error: seen\nstderr ERROR     at main_default (src/main.ts:5:17)\n"; got != want {
		t.Errorf("the log = %q, want %q", got, want)
	}
}
