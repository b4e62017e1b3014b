//go:build cgo && linux && (amd64 || arm64)

package javascript_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/function"
	"github.com/nex-engine/nex/internal/hostapi"
)

func TestEnvironment(t *testing.T) {
	set := func(c *function.Config) { c.Environment = map[string]string{"A": "1", "B": "ä\n", "__proto__": "p"} }
	for _, c := range []struct{ source, want string }{
		{"() => [env, process.env]", `[{"A":"1","B":"ä\n","__proto__":"p"},{"A":"1","B":"ä\n","__proto__":"p"}]`},
		{"() => { env.A = 2; delete process.env.B; return [env.A, process.env.B] }", `["1","ä\n"]`},
		{"() => { 'use strict'; try { env.C = 1 } catch (e) { return e.name } }", "TypeError"},
		{"() => String(env.HOME)", "undefined"},
	} {
		if got := reply(t, load(t, c.source, set), ""); got != c.want {
			t.Errorf("%s = %q, want %q", c.source, got, c.want)
		}
	}
	if got := reply(t, load(t, "() => [env, process.env]"), ""); got != "[{},{}]" {
		t.Errorf("without an environment it is %q", got)
	}
}

// What is not for functions is not there, and neither is what the runtime keeps.
func TestHiddenGlobals(t *testing.T) {
	rt := load(t, "const before = Object.getOwnPropertyNames(globalThis); () => before")
	names := reply(t, rt, "")
	for _, name := range []string{"SharedArrayBuffer", "Atomics", "gc", "__nexCollect", "native", "require", "module", "exports"} {
		if strings.Contains(names, strconv.Quote(name)) {
			t.Errorf("there is a global %s", name)
		}
	}
	// A script may declare these names itself.
	for _, name := range []string{"gc", "env", "process", "hostServices", "console", "SharedArrayBuffer", "native", "host", "fetch"} {
		if got := reply(t, load(t, "let "+name+" = 'mine'; () => "+name), ""); got != "mine" {
			t.Errorf("let %s: the reply = %q", name, got)
		}
	}
}

// However a function changes what is built in, the runtime goes on to work.
func TestPrototypesOverwritten(t *testing.T) {
	host := hostStub(func(_ context.Context, r hostapi.Request) (hostapi.Response, error) {
		return hostapi.Response{Meta: []byte(`{"keys":["a"]}`), Body: r.Body}, nil
	})
	var log recorder
	rt := load(t, `
		const names = Reflect.ownKeys;
		// Each function that is built in, wherever it is, throws.
		const seen = new Set([Function.prototype]);
		const spoil = (o) => {
			if ((typeof o !== 'object' && typeof o !== 'function') || o === null || seen.has(o)) return;
			seen.add(o);
			for (const name of names(o)) {
				const d = Object.getOwnPropertyDescriptor(o, name);
				if (!d || !d.configurable) { if (d && d.value) spoil(d.value); continue; }
				found.push([o, name, d]);
				if ('value' in d) spoil(d.value);
			}
		};
		const found = [];
		const { log } = console, { set } = hostServices.kv, keys = hostServices.promises.kv.keys, timeout = setTimeout;
		for (const name of ['Object', 'Array', 'String', 'Number', 'Promise', 'Map', 'Set', 'JSON', 'Reflect', 'Uint8Array', 'ArrayBuffer', 'DataView',
			'Symbol', 'Error', 'TypeError', 'Date', 'RegExp', 'Math', 'BigInt', 'Function', 'Int32Array', 'Float64Array', 'WebAssembly', 'TextEncoder', 'TextDecoder']) {
			spoil(globalThis[name]);
		}
		spoil(Object.getPrototypeOf(Uint8Array));
		spoil(Object.getPrototypeOf([][Symbol.iterator]()));
		const define = Object.defineProperty, count = found.length;
		for (let i = 0; i < count; i++) {
			const o = found[i][0], name = found[i][1];
			if (o === Function.prototype || name === 'constructor' || name === Symbol.hasInstance || name === 'stackTraceLimit') continue;
			try { define(o, name, { get() { throw new Error('spoiled') }, set() { throw new Error('spoiled') }, configurable: true }) } catch {}
		}
		define(Object.prototype, 'then', { value: undefined, writable: true });
		async (subject, payload, { headers }) => {
			log('printed', { a: 1, b: [1, 2] });
			set('k', 'value');
			await keys();
			await new Promise((f) => timeout(f, 1));
			if (payload[0] === 120) throw { message: 'thrown' };
			return { data: payload, headers };
		}`, func(c *function.Config) { c.Host, c.Log = host, log.add })
	for range 2 {
		got, err := callWithin(t, rt, patience, function.Call{Payload: []byte("payload"), Header: function.Header{"A": {"1"}}})
		if err != nil {
			t.Fatal(describe(err), log.text())
		}
		if string(got.Payload) != "payload" || fmt.Sprint(got.Header) != "map[A:[1]]" {
			t.Errorf("the reply = %q %v", got.Payload, got.Header)
		}
		if got := log.text(); got != "stdout INFO printed { a: 1, b: [ 1, 2 ] }\n" {
			t.Errorf("the log = %q", got)
		}
		_, err = call(t, rt, "x")
		refused(t, err, function.StatusFailed, "thrown")
		log.text()
	}
}

// Properties that a function gives to all objects do not get into what the runtime sends.
func TestPrototypesExtended(t *testing.T) {
	rt := load(t, `Object.prototype.toJSON = () => 'broken'; Array.prototype.toJSON = () => 'broken';
		Object.prototype.headers = {x: 'y'}; Object.prototype.code = 404; String.prototype.toJSON = () => 'broken';
		(subject, payload) => { if (payload.length) throw 'thrown'; return 'x' }`)
	for range 2 {
		if got := reply(t, rt, ""); got != "x" {
			t.Errorf("the reply = %q", got)
		}
		_, err := call(t, rt, "x")
		refused(t, err, function.StatusFailed, "thrown")
	}
}

// The promises of WebAssembly settle.
func TestWebAssembly(t *testing.T) {
	module, err := os.ReadFile("testdata/add.wasm")
	if err != nil {
		t.Fatal(err)
	}
	rt := load(t, `async (subject, payload) => {
		const { instance, module } = await WebAssembly.instantiate(payload);
		const again = await WebAssembly.instantiate(await WebAssembly.compile(payload), {});
		let refused = '';
		try { await WebAssembly.compile(new Uint8Array(3)) } catch (e) { refused = e.name }
		return [instance.exports.add(2, 3), again.exports.add(4, 5), module instanceof WebAssembly.Module, refused];
	}`)
	if got := reply(t, rt, string(module)); got != `[5,9,true,"CompileError"]` {
		t.Errorf("the reply = %q", got)
	}
}
