//go:build cgo && linux && (amd64 || arm64)

package javascript_test

import (
	"strings"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/function"
)

// logged runs code and returns what it prints.
func logged(t *testing.T, body string) string {
	t.Helper()
	var log recorder
	rt := load(t, "() => { "+body+" }", func(c *function.Config) { c.Log = log.add })
	reply(t, rt, "")
	return log.text()
}

func TestConsoleLevels(t *testing.T) {
	got := logged(t, "for (const m of ['debug', 'log', 'info', 'warn', 'error']) console[m](m)")
	want := "stdout DEBUG debug\nstdout INFO log\nstdout INFO info\nstderr WARN warn\nstderr ERROR error\n"
	if got != want {
		t.Errorf("the log =\n%s, want\n%s", got, want)
	}
}

func TestConsoleFormats(t *testing.T) {
	for _, c := range []struct{ code, want string }{
		{"console.log()", ""},
		{"console.log('a', 1, true, null, undefined)", "a 1 true null undefined"},
		{"console.log('%s is %d years and %i months, %f, %j %o %O %%', 'Bob', 42.5, 7.9, '1.5', {a: 1}, [1], {b: 'x'}, 'more')", `Bob is 42.5 years and 7 months, 1.5, {"a":1} [ 1 ] { b: 'x' } % more`},
		{"console.log('100%', 1)", "100% 1"},
		{"console.log('%s %s', 'one')", "one %s"},
		{"console.log('%x', 1)", "%x 1"},
		{"console.log('%d %d %i', 1n, Symbol('x'), {})", "1n NaN NaN"},
		{"console.log('%cred', 'color: red')", "red"},
		{"console.log({a: 1, 'b-c': 'x', d: {e: [1, 2]}})", "{ a: 1, 'b-c': 'x', d: { e: [ 1, 2 ] } }"},
		{"console.log([], {}, [[]], -0, 1n, Symbol('s'), 'text', ['text'])", "[] {} [ [] ] -0 1n Symbol(s) text [ 'text' ]"},
		{`console.log(["it's", 'a "b"', 'a\nb\\'])`, `[ "it's", 'a "b"', 'a\nb\\' ]`},
		{"console.log([1, , 3, ,])", "[ 1, <1 empty item>, 3, <1 empty item> ]"},
		{"console.log(new Array(1e9))", "[ <10000 empty items>, ... 999990000 more items ]"},
		{"console.log(new Map([['a', {b: 1}]]), new Set([1, 'x']))", "Map(1) { 'a' => { b: 1 } } Set(2) { 1, 'x' }"},
		{"console.log(Uint8Array.of(1, 2), new ArrayBuffer(3))", "Uint8Array(2) [ 1, 2 ] ArrayBuffer { byteLength: 3 }"},
		{"console.log(new Date(0), new Date(NaN), /a+/g)", "1970-01-01T00:00:00.000Z Invalid Date /a+/g"},
		{"console.log(() => 1, function f() {}, class C {}, Math.max)", "[Function (anonymous)] [Function: f] [class C] [Function: max]"},
		{"class P { x = 1; #y = 2; get z() { return 3 } } console.log(new P(), Object.create(null))", "P { x: 1 } [Object: null prototype] {}"},
		{"console.log({get a() { throw 1 }, set b(v) {}, [Symbol('k')]: 1})", "{ a: [Getter], b: [Setter], [Symbol(k)]: 1 }"},
		{"const o = {name: 'o'}; o.self = o; o.list = [o]; console.log(o)", "{ name: 'o', self: [Circular], list: [ [Circular] ] }"},
		{"console.log({a: {b: {c: {d: {e: {f: 1}}}}}})", "{ a: { b: { c: { d: { e: [Object] } } } } }"},
		{"console.log(new Proxy({}, {ownKeys() { throw 1 }}))", "[an object that cannot be looked at]"},
		{"console.log(Promise.resolve(1), new WeakMap())", "Promise {} WeakMap {}"},
		{"console.assert(true, 'a'); console.assert(false, 'a', 1); console.assert(false)", "Assertion failed: a 1\nAssertion failed"},
		{"console.count(); console.count('x'); console.count(); console.countReset(); console.count()", "default: 1\nx: 1\ndefault: 2\ndefault: 1"},
		{"console.group('a'); console.log('b\\nc'); console.groupEnd(); console.log('d')", "a\n  b\n  c\nd"},
		{"console.timeEnd('x')", "There is no timer x"},
		{"console.dir({a: 1})", "{ a: 1 }"},
		{"console.table([{a: 1, b: 'x'}, {a: 22}, 'y'])", "(index) | a  | b   | Values\n0       | 1  | 'x' |       \n1       | 22 |     |       \n2       |    |     | 'y'   "},
		{"console.table(5)", "5"},
		{"console.log('a\\r\\nb\\n')", "a\nb\n"},
		{"console.log('ä\\ud800')", "ä\ufffd"},
	} {
		var b strings.Builder
		for line := range strings.Lines(logged(t, c.code)) {
			b.WriteString(strings.SplitN(line, " ", 3)[2])
		}
		if got := strings.TrimSuffix(b.String(), "\n"); got != c.want {
			t.Errorf("%s prints\n%s\nwant\n%s", c.code, got, c.want)
		}
	}
}

func TestConsoleLongObjects(t *testing.T) {
	got := logged(t, "console.log({first: 'a'.repeat(40), second: 'b'.repeat(40), third: {x: 1}})")
	want := "stdout INFO {\nstdout INFO   first: '" + strings.Repeat("a", 40) + "',\nstdout INFO   second: '" + strings.Repeat("b", 40) + "',\nstdout INFO   third: { x: 1 }\nstdout INFO }\n"
	if got != want {
		t.Errorf("the log =\n%s, want\n%s", got, want)
	}
}

func TestConsoleErrors(t *testing.T) {
	got := logged(t, "console.error(Object.assign(new TypeError('no', {cause: 1}), {code: 5}))")
	want := "stderr ERROR TypeError: no\nstderr ERROR     at echo.js:1:37 { code: 5, [cause]: 1 }\n"
	if got != want {
		t.Errorf("the log =\n%s, want\n%s", got, want)
	}
	if got := logged(t, "console.trace('here')"); got != "stderr ERROR Trace: here\nstderr ERROR     at echo.js:1:17\n" {
		t.Errorf("the log =\n%s", got)
	}
	if got := logged(t, "console.time('x'); console.timeLog('x', 1); console.timeEnd('x')"); strings.Count(got, "stdout INFO x: ") != 2 || !strings.Contains(got, "ms 1\n") {
		t.Errorf("the log =\n%s", got)
	}
}

// Whatever is printed, lines and their number are bounded.
func TestConsoleBounds(t *testing.T) {
	for _, code := range []string{
		"console.log('é'.repeat(1e7))",
		"console.log(new Array(1e6).fill('x'.repeat(1000)))",
		"const deep = (n) => n === 0 ? 'x'.repeat(1000) : new Array(50).fill(0).map(() => deep(n - 1)); console.log(deep(3))",
		"console.log(Object.fromEntries(new Array(1e5).fill(0).map((_, i) => ['k' + i, 'v'.repeat(100)])))",
		"console.log('%s%s%s', 'x'.repeat(1e7), 'y'.repeat(1e7), {a: 'z'.repeat(1e7)})",
		"let o = {}; for (let i = 0; i < 1e5; i++) o = {o}; console.log(o)",
	} {
		got := logged(t, code)
		if len(got) > 1<<20 {
			t.Errorf("%s prints %d bytes", code, len(got))
		}
		for line := range strings.Lines(got) {
			if len(line) > nex.MaxLogLine+len("stdout INFO \n") {
				t.Errorf("%s prints a line of %d bytes", code, len(line))
			}
			if strings.Contains(line, "\ufffd") {
				t.Errorf("%s cuts a character in two", code)
			}
		}
	}
}

// The bounds of a group end with the call.
func TestConsoleGroupEndsWithItsCall(t *testing.T) {
	var log recorder
	rt := load(t, "() => { console.group(); console.log('x') }", func(c *function.Config) { c.Log = log.add })
	reply(t, rt, "")
	reply(t, rt, "")
	if got, want := log.text(), "stdout INFO   x\nstdout INFO   x\n"; got != want {
		t.Errorf("the log = %q, want %q", got, want)
	}
}
