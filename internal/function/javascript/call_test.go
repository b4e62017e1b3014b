//go:build cgo && linux && (amd64 || arm64)

package javascript_test

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/function"
)

func TestPayloadIsByteExact(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	rt := load(t, "(subject, payload) => payload")
	for _, n := range []int{0, 1, 63, 64, 65, 256, 4 << 10, 64<<10 - 1, 64 << 10, 64<<10 + 1, 1 << 20, 8 << 20, 3} {
		want := bytes.Repeat(all, n/256+1)[:n]
		got, err := call(t, rt, string(want))
		if err != nil {
			t.Fatalf("%d bytes: %s", n, describe(err))
		}
		if !bytes.Equal(got.Payload, want) {
			t.Errorf("%d bytes come back as %d others", n, len(got.Payload))
		}
	}
}

// The payload is the function's own: it may keep and change it.
func TestPayloadIsTheFunctions(t *testing.T) {
	rt := load(t, `let kept = new Uint8Array(0);
		(subject, payload) => { const before = kept; kept = payload; payload[0]++; return before }`)
	mine := []byte("a1")
	reply(t, rt, "a1")
	if got := reply(t, rt, "zz"); got != "b1" {
		t.Errorf("the payload of the call before is %q by now, want b1", got)
	}
	if string(mine) != "a1" {
		t.Errorf("the caller's payload has become %q", mine)
	}
	if got := reply(t, load(t, "(s, p) => `${p instanceof Uint8Array} ${p.buffer instanceof ArrayBuffer} ${p.buffer.byteLength}`"), strings.Repeat("x", 100)); got != "true true 100" {
		t.Errorf("the payload is %q", got)
	}
}

func TestArguments(t *testing.T) {
	rt := load(t, `function f(subject, payload, context) {
		return { subject, n: arguments.length, self: this === globalThis, context }
	} f`)
	deadline := time.Now().Add(time.Minute).Truncate(time.Millisecond)
	ctx, cancel := context.WithDeadline(t.Context(), deadline)
	defer cancel()
	for _, c := range []struct {
		call function.Call
		want string
	}{
		{
			function.Call{ID: "ABC", Subject: "a.b", Deadline: time.UnixMilli(1234)},
			`{"subject":"a.b","n":3,"self":true,"context":{"headers":{},"subject":"a.b","id":"ABC","deadline":1234}}`,
		}, {
			function.Call{ID: "DEF", Subject: "a.b", Deadline: time.UnixMilli(1235)},
			`{"subject":"a.b","n":3,"self":true,"context":{"headers":{},"subject":"a.b","id":"DEF","deadline":1235}}`,
		}, {
			function.Call{ID: "ß", Subject: "größe.日本.😀", Deadline: time.UnixMilli(1), Header: function.Header{"X-A": {"1", "ü"}, "x": {""}}},
			`{"subject":"größe.日本.😀","n":3,"self":true,"context":{"headers":{"X-A":["1","ü"],"x":[""]},"subject":"größe.日本.😀","id":"ß","deadline":1}}`,
		}, {
			function.Call{ID: "", Subject: "", Deadline: time.UnixMilli(1)},
			`{"subject":"","n":3,"self":true,"context":{"headers":{},"subject":"","id":"","deadline":1}}`,
		}, {
			function.Call{ID: "X", Subject: strings.Repeat("long.", 300), Deadline: time.UnixMilli(1), Header: function.Header{"h": {strings.Repeat("v", 2000)}}},
			`{"subject":"` + strings.Repeat("long.", 300) + `","n":3,"self":true,"context":{"headers":{"h":["` + strings.Repeat("v", 2000) + `"]},"subject":"` + strings.Repeat("long.", 300) + `","id":"X","deadline":1}}`,
		},
	} {
		got, err := rt.Call(ctx, c.call)
		if err != nil {
			t.Fatal(describe(err))
		}
		if string(got.Payload) != c.want {
			t.Errorf("the arguments are\n%s, want\n%s", got.Payload, c.want)
		}
	}
}

func TestResults(t *testing.T) {
	for _, c := range []struct{ name, source, want string }{
		{"string", "() => 'größe 日本 😀'", "größe 日本 😀"},
		{"half a pair", "() => 'a\\ud800b\\udc00c'", "a\ufffdb\ufffdc"},
		{"long string", "() => 'ä😀'.repeat(1000)", strings.Repeat("ä😀", 1000)},
		{"long string with half a pair", "() => 'a\\ud800'.repeat(1000)", strings.Repeat("a\ufffd", 1000)},
		{"empty string", "() => ''", ""},
		{"undefined", "() => {}", ""},
		{"null", "() => null", ""},
		{"number", "() => 42", "42"},
		{"false", "() => false", "false"},
		{"object", "() => ({a: [1, null, 'x'], b: undefined})", `{"a":[1,null,"x"]}`},
		{"array", "() => [1, 2]", "[1,2]"},
		{"Date", "() => new Date(0)", `"1970-01-01T00:00:00.000Z"`},
		{"ArrayBuffer", "() => Uint8Array.of(1, 2, 255).buffer", "\x01\x02\xff"},
		{"Uint8Array", "() => Uint8Array.of(0, 1, 255)", "\x00\x01\xff"},
		{"part of a buffer", "() => new Uint8Array(Uint8Array.of(1, 2, 3, 4).buffer, 1, 2)", "\x02\x03"},
		{"Uint16Array", "() => Uint16Array.of(0x0201, 0x0403)", "\x01\x02\x03\x04"},
		{"Float64Array", "() => Float64Array.of(1)", "\x00\x00\x00\x00\x00\x00\xf0\x3f"},
		{"DataView", "() => new DataView(Uint8Array.of(1, 2, 3).buffer, 1)", "\x02\x03"},
		{"subclass", "class B extends Uint8Array {} () => B.of(1, 2)", "\x01\x02"},
		{"disguised", "() => Object.defineProperty(Uint8Array.of(1, 2), 'length', {value: 1e9})", "\x01\x02"},
		{"promise", "async () => 'later'", "later"},
		{"promise of a promise", "async () => Promise.resolve(Promise.resolve('later'))", "later"},
		{"thenable", "() => ({then(f) { f('then') }})", "then"},
		{"toJSON", "() => ({toJSON: () => 'x'})", `"x"`},
		{"empty object", "() => ({})", "{}"},
		{"data", "() => ({data: 'x'})", "x"},
		{"data that is bytes", "() => ({data: Uint8Array.of(7)})", "\x07"},
		{"data that is JSON", "() => ({data: {a: 1}})", `{"a":1}`},
		{"data and more", "() => ({data: 'x', more: 1})", `{"data":"x","more":1}`},
		{"data of a class", "class C { data = 'x' } () => new C()", `{"data":"x"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := reply(t, load(t, c.source), ""); got != c.want {
				t.Errorf("the reply = %.100q, want %.100q", got, c.want)
			}
		})
	}
}

func TestResultHeaders(t *testing.T) {
	for _, c := range []struct {
		source  string
		payload string
		want    function.Header
	}{
		{"() => ({headers: {A: '1', B: ['2', 'ü'], C: [], n: 5}})", "", function.Header{"A": {"1"}, "B": {"2", "ü"}, "C": {}, "n": {"5"}}},
		{"async () => ({data: 'x', headers: {A: '1'}})", "x", function.Header{"A": {"1"}}},
		{"(s, p, {headers}) => ({data: p, headers})", "pay", function.Header{"X": {"y", "z"}}},
		{"() => ({data: 'x', headers: undefined})", "x", nil},
	} {
		rt := load(t, c.source)
		got, err := callWithin(t, rt, patience, function.Call{Payload: []byte("pay"), Header: function.Header{"X": {"y", "z"}}})
		if err != nil {
			t.Fatal(describe(err))
		}
		if string(got.Payload) != c.payload || !maps.EqualFunc(got.Header, c.want, slices.Equal) {
			t.Errorf("%s: the reply = %q %v, want %q %v", c.source, got.Payload, got.Header, c.payload, c.want)
		}
	}
}

func TestResultsThatCannotBeSent(t *testing.T) {
	for _, c := range []struct{ source, want string }{
		{"() => { const o = {a: {}}; o.a.b = [o]; return o }", "the function's result cannot be sent as JSON: it.a.b[0] is one of the objects that contain it (a cycle)"},
		{"() => ({list: [1, 2n]})", "the function's result cannot be sent as JSON: it.list[1] is a BigInt"},
		{"() => 1n", "the function's result cannot be sent as JSON: it is a BigInt"},
		{"() => Symbol('x')", "the function's result cannot be sent: it is a symbol"},
		{"() => () => 1", "the function's result cannot be sent: it is a function"},
		{"async () => Symbol('x')", "cannot be sent: it is a symbol"},
		{"() => ({toJSON() { throw new TypeError('no JSON') }})", "TypeError: no JSON"},
		{"() => ({headers: 5})", "TypeError: headers must be an object of names and values"},
		{"() => ({headers: {a: {}}})", `TypeError: the value of the header "a" must be a string`},
		{"() => ({headers: {'a b': '1'}})", `a header "a b": a name has only visible ASCII characters`},
		{"() => ({headers: {'a:': '1'}})", `a header "a:"`},
		{"() => ({headers: {'': '1'}})", `a header ""`},
		{"() => ({headers: {a: '1\\r\\nb: 2'}})", `the header "a" of the function's result has a line break`},
	} {
		rt := load(t, c.source)
		_, err := call(t, rt, "")
		refused(t, err, function.StatusFailed, c.want)
	}
}

func TestResultIsTooLarge(t *testing.T) {
	for _, c := range []struct {
		source string
		size   string
	}{
		{"() => new Uint8Array(64 << 20)", "67108864"},
		{"() => new ArrayBuffer(1025)", "1025"},
		{"() => 'x'.repeat(64 << 20)", "67108864"},
		{"() => 'ä'.repeat(513)", "1026"},
		{"() => ({data: 'x'.repeat(1025)})", "1025"},
		{"() => ['x'.repeat(1021)]", "1025"},
		{"async () => 'x'.repeat(1025)", "1025"},
	} {
		rt := load(t, "let n = 0; const f = "+c.source+"; (...a) => n++ === 0 ? f(...a) : 'x'.repeat(1024)", func(c *function.Config) { c.MaxResultBytes = 1024 })
		_, err := call(t, rt, "")
		refused(t, err, function.StatusTooLarge, "the function's result has "+c.size+" bytes, more than the 1024")
		if got := reply(t, rt, ""); len(got) != 1024 {
			t.Errorf("%s: a reply of 1024 bytes has %d", c.source, len(got))
		}
	}
}
