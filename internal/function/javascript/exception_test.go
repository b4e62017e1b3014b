//go:build cgo && linux && (amd64 || arm64)

package javascript_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/function"
)

func TestExceptions(t *testing.T) {
	for _, c := range []struct {
		name, source string
		status       int
		want         string
	}{
		{"TypeError", "() => undefined.x", 500, "TypeError: Cannot read properties of undefined (reading 'x')"},
		{"of lines", "() => { throw new Error('a\\n  b\\r\\nc') }", 500, "Error: a b c"},
		{"a long one", "() => { throw new Error('x'.repeat(1e6)) }", 500, "Error: xxx"},
		{"without a message", "() => { throw new RangeError() }", 500, "RangeError"},
		{"a class", "class NoLuck extends Error { name = 'NoLuck' } () => { throw new NoLuck('today') }", 500, "NoLuck: today"},
		{"rejected", "async () => { throw new Error('no') }", 500, "Error: no"},
		{"rejected later", "() => new Promise((_, f) => setTimeout(f, 1, new Error('no')))", 500, "Error: no"},
		{"rejected without a reason", "() => Promise.reject()", 500, "the function threw undefined"},
		{"a string", "() => { throw 'no luck' }", 500, "no luck"},
		{"an empty string", "() => { throw '' }", 500, "the function failed and does not say why"},
		{"a number", "() => { throw 7 }", 500, "the function threw 7"},
		{"null", "() => { throw null }", 500, "the function threw null"},
		{"undefined", "() => { throw undefined }", 500, "the function threw undefined"},
		{"an object", "() => { throw {a: 1} }", 500, "the function threw { a: 1 }"},
		{"an object with a message", "() => { throw {message: 'm', code: 404} }", 404, "m"},
		{"a symbol", "() => { throw Symbol('s') }", 500, "the function threw Symbol(s)"},
		{"code 400", "() => { throw Object.assign(new Error('e'), {code: 400}) }", 400, "e"},
		{"code 599", "() => { throw Object.assign(new Error('e'), {code: 599}) }", 599, "e"},
		{"code 399", "() => { throw Object.assign(new Error('e'), {code: 399}) }", 500, "Error: e"},
		{"code 600", "() => { throw Object.assign(new Error('e'), {code: 600}) }", 500, "Error: e"},
		{"code 404.5", "() => { throw Object.assign(new Error('e'), {code: 404.5}) }", 500, "Error: e"},
		{"code text", "() => { throw Object.assign(new Error('e'), {code: '404'}) }", 500, "Error: e"},
		{"a hostile object", "() => { throw {get message() { throw 1 }, get code() { throw 2 }, get stack() { throw 3 }} }", 500, "the function threw { message: [Getter]"},
		{"a hostile proxy", "() => { throw new Proxy({}, {get() { throw 1 }, getPrototypeOf() { throw 2 }, ownKeys() { throw 3 }}) }", 500, "the function threw "},
		{"a hostile message", "() => { throw {message: {toString() { throw 1 }}} }", 500, "the function threw {"},
		{"a hostile then", "() => ({get then() { throw new Error('then') }})", 500, "Error: then"},
		{"deep recursion", "function f() { return 1 + f() } f", 500, "RangeError: Maximum call stack size exceeded"},
		{"deep result", "() => { let o = {}; for (let i = 0; i < 1e5; i++) o = {o}; return o }", 500, "RangeError: Maximum call stack size exceeded"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rt := load(t, "const f = "+strings.TrimSpace(lastExpression(c.source))+"; (s, p) => p.length > 0 ? 'well' : f(s, p)")
			for range 2 {
				_, err := call(t, rt, "")
				e := refused(t, err, c.status, c.want)
				if len(e.Message) > 2<<10 || len(e.Stack) > 20<<10 {
					t.Errorf("the message has %d bytes, the stack %d", len(e.Message), len(e.Stack))
				}
				if got := reply(t, rt, "x"); got != "well" {
					t.Errorf("the next reply = %q", got)
				}
			}
		})
	}
}

// lastExpression makes one expression of declarations and an expression.
func lastExpression(source string) string {
	i := strings.LastIndex(source, "} () =>")
	if strings.HasPrefix(source, "function f()") {
		return "(() => { " + source[:strings.LastIndex(source, " ")] + "; return f })()"
	}
	if i < 0 {
		return source
	}
	return "(() => { " + source[:i+1] + "; return " + source[i+2:] + " })()"
}

func TestExceptionStack(t *testing.T) {
	rt := load(t, `function inner() {
  throw new Error('boom', { cause: new TypeError('why') });
}
function outer() {
  inner();
}
async (subject, payload) => {
  await null;
  outer();
}`)
	_, err := call(t, rt, "")
	e := refused(t, err, function.StatusFailed, "Error: boom")
	want := `Error: boom
    at inner (echo.js:2:9)
    at outer (echo.js:5:3)
    at echo.js:9:3
Caused by: TypeError: why
    at inner (echo.js:2:36)
    at outer (echo.js:5:3)
    at echo.js:9:3`
	if e.Stack != want {
		t.Errorf("the stack =\n%s\nwant\n%s", e.Stack, want)
	}
}

// A module's lines are those of its file.
func TestExceptionStackOfModule(t *testing.T) {
	rt := load(t, "// A comment.\nexport const a = 1;\n\nexport default async function echo() {\n  throw new Error('boom');\n}\n")
	_, err := call(t, rt, "")
	e := refused(t, err, function.StatusFailed, "Error: boom")
	if want := "Error: boom\n    at echo (echo.js:5:9)"; e.Stack != want {
		t.Errorf("the stack = %q, want %q", e.Stack, want)
	}
}

// The lines are known where there is no stack left, in every isolate.
func TestExceptionStackOfRecursion(t *testing.T) {
	rt := load(t, "// A comment.\n\nfunction f(n) {\n  return 1 + f(n + 1);\n}\n(subject, payload) => {\n  while (payload.length) ;\n  return f(0);\n}")
	for range 2 {
		_, err := call(t, rt, "")
		e := refused(t, err, function.StatusFailed, "RangeError: Maximum call stack size exceeded")
		frames := strings.Split(e.Stack, "\n")[1:]
		for _, frame := range frames {
			if !strings.HasPrefix(frame, "    at f (echo.js:4:") {
				t.Errorf("the frame %q is not in line 4", frame)
			}
		}
		if len(frames) == 0 {
			t.Errorf("the stack = %q", e.Stack)
		}
		_, err = callWithin(t, rt, 50*time.Millisecond, function.Call{Payload: []byte("x")}) // costs it the isolate
		refused(t, err, function.StatusTimeout, "")
	}
}

func TestPromiseThatNeverSettles(t *testing.T) {
	for _, source := range []string{
		"() => new Promise(() => {})",
		"async () => { await new Promise(() => {}) }",
		"() => new Promise((f) => { const t = setTimeout(f, 1e6); clearTimeout(t) })",
		"() => new Promise((f) => { setTimeout(() => {}, 1) })",
		"() => ({then() {}})",
	} {
		_, err := call(t, load(t, source), "")
		refused(t, err, function.StatusFailed, "the function's promise can never settle")
	}
}
