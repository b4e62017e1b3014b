//go:build cgo && linux && (amd64 || arm64)

package javascript_test

import "testing"

func TestStructuredClone(t *testing.T) {
	checkFacts(t, []fact{
		{"primitive values", `return [structuredClone(1), structuredClone('a'), structuredClone(null), structuredClone(undefined) === undefined, structuredClone(5n) === 5n, Object.is(structuredClone(-0), -0)]`, `[1,"a",null,true,true,true]`},
		{"objects and arrays", `const v = {a: [1, {b: 2}]}; const c = structuredClone(v); return [c, c !== v, c.a !== v.a]`, `[{"a":[1,{"b":2}]},true,true]`},
		{"cycles and shared parts", `const v = {}; v.self = v; const part = {}; v.list = [part, part]; const c = structuredClone(v); return [c.self === c, c.list[0] === c.list[1], c.list[0] !== part]`, `[true,true,true]`},
		{"holes and further properties of arrays", `const v = [1, , 3]; v.x = 4; const c = structuredClone(v); return [c.length, 1 in c, c.x]`, `[3,false,4]`},
		{"only own, enumerable, named properties", `const v = Object.create({p: 1}, {h: {value: 2}, e: {value: 3, enumerable: true}}); v[Symbol()] = 4; return Reflect.ownKeys(structuredClone(v))`, `["e"]`},
		{"getters are read", `return structuredClone({get a() { return 1 }})`, `{"a":1}`},
		{"the name __proto__", `const c = structuredClone(JSON.parse('{"__proto__": {"a": 1}}')); return [Object.hasOwn(c, '__proto__'), Object.getPrototypeOf(c) === Object.prototype]`, `[true,true]`},
		{"instances of classes become plain", `class A { x = 1; #y = 2 } const c = structuredClone(new A()); return [c, Object.getPrototypeOf(c) === Object.prototype]`, `[{"x":1},true]`},
		{"dates", `const c = structuredClone(new Date(5)); return [c instanceof Date, c.getTime(), isNaN(structuredClone(new Date(NaN)))]`, `[true,5,true]`},
		{"regular expressions", `const r = /a\/b/giu; r.lastIndex = 3; const c = structuredClone(r); return [c instanceof RegExp, c.source, c.flags, c.lastIndex]`, `[true,"a\\/b","giu",0]`},
		{"boxes", `return [true, 1, 's', 5n].map((v) => { const c = structuredClone(Object(v)); return typeof c === 'object' && c.valueOf() === v })`, `[true,true,true,true]`},
		{"maps and sets", `const k = {}; const c = structuredClone(new Map([[k, new Set([k, 1])]])); const [[key, set]] = c; return [c instanceof Map, set.has(key), set.has(1), key !== k]`, `[true,true,true,true]`},
		{"buffers", `const b = new Uint8Array([1, 2, 3]).buffer; const c = structuredClone(b); return [c !== b, [...new Uint8Array(c)], b.byteLength]`, `[true,[1,2,3],3]`},
		{"resizable buffers", `const c = structuredClone(new ArrayBuffer(2, {maxByteLength: 8})); return [c.resizable, c.byteLength, c.maxByteLength]`, `[true,2,8]`},
		{"views share their buffer", `const b = new ArrayBuffer(8); const c = structuredClone({b, u: new Uint16Array(b, 2, 2), d: new DataView(b, 1, 3), g: new BigInt64Array(b)});
			return [c.u.buffer === c.b, c.u.byteOffset, c.u.length, c.d.buffer === c.b, c.d.byteOffset, c.d.byteLength, c.g.constructor.name]`, `[true,2,2,true,1,3,"BigInt64Array"]`},
		{"errors", `const e = new RangeError('m', {cause: {a: 1}}); e.extra = 1; const c = structuredClone(e); return [c instanceof RangeError, c.message, c.cause, c.stack === e.stack, 'extra' in c, Object.keys(c)]`, `[true,"m",{"a":1},true,false,[]]`},
		{"errors of other classes", `class E extends Error { name = 'E' } const c = structuredClone(new E('m')); return [c.constructor === Error, c.message]`, `[true,"m"]`},
		{"DOMExceptions", `const c = structuredClone(new DOMException('m', 'NotFoundError')); return [c instanceof DOMException, c.name, c.message, c.code]`, `[true,"NotFoundError","m",8]`},
		{
			"what cannot be cloned",
			`const all = {f() {}, s: Symbol(), wm: new WeakMap(), ws: new WeakSet(), p: Promise.resolve(), r: new WeakRef({}), g: (function* () {})(), u: new URL('http://h'),
				h: new Headers(), rq: new Request('http://h'), rs: new Response(), e: new Event('x'), a: new AbortController(), sp: new URLSearchParams()};
			return Object.keys(all).filter((k) => thrown(() => structuredClone({v: [all[k]]})) !== 'DataCloneError')`, `[]`,
		},
		{"code of the error", `try { structuredClone(() => 1) } catch (e) { return [e.code, e instanceof DOMException] }`, `[25,true]`},
		{"transfer", `const b = new ArrayBuffer(8); const v = new Uint8Array(b); v[0] = 7; const c = structuredClone({v, b}, {transfer: [b]}); return [b.byteLength, v.length, c.v.buffer === c.b, c.v[0]]`, `[0,0,true,7]`},
		{"transfer without use", `const b = new ArrayBuffer(8); structuredClone(1, {transfer: [b]}); return b.detached`, `true`},
		{"failure transfers nothing", `const b = new ArrayBuffer(8); return [thrown(() => structuredClone([b, () => 1], {transfer: [b]})), b.byteLength]`, `["DataCloneError",8]`},
		{"transfer twice", `const b = new ArrayBuffer(8); return thrown(() => structuredClone(b, {transfer: [b, b]}))`, `"DataCloneError"`},
		{"transfer of what cannot be", `return [thrown(() => structuredClone(1, {transfer: [{}]})), thrown(() => structuredClone(1, {transfer: [1]})), thrown(() => structuredClone(1, {transfer: 1}))]`, `["DataCloneError","TypeError","TypeError"]`},
		{"detached buffer", `const b = new ArrayBuffer(8); b.transfer(); return [thrown(() => structuredClone(b)), thrown(() => structuredClone(b, {transfer: [b]}))]`, `["DataCloneError","DataCloneError"]`},
		{"no argument", `return thrown(() => structuredClone())`, `"TypeError"`},
	})
}

func TestCrypto(t *testing.T) {
	checkFacts(t, []fact{
		{"fills and returns", `const a = new Uint32Array(64); return [crypto.getRandomValues(a) === a, a.some((x) => x > 65535), new Set(a).size > 60]`, `[true,true,true]`},
		{"only the view", `const b = new Uint8Array(96); crypto.getRandomValues(b.subarray(32, 64)); return [b.subarray(0, 32).every((x) => x === 0), b.subarray(32, 64).some((x) => x > 0), b.subarray(64).every((x) => x === 0)]`, `[true,true,true]`},
		{"all of integers", `return [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, BigInt64Array, BigUint64Array].filter((C) => !crypto.getRandomValues(new C(32)).some((x) => x != 0)).length`, `0`},
		{"as many as there may be", `return [crypto.getRandomValues(new Uint8Array(65536)).length, crypto.getRandomValues(new Uint8Array(0)).length]`, `[65536,0]`},
		{"too many", `try { crypto.getRandomValues(new Uint16Array(32769)) } catch (e) { return [e.name, e.code] }`, `["QuotaExceededError",22]`},
		{"no integers", `return [new Float32Array(1), new Float64Array(1), new DataView(new ArrayBuffer(1))].map((a) => thrown(() => crypto.getRandomValues(a)))`, `["TypeMismatchError","TypeMismatchError","TypeMismatchError"]`},
		{"no view", `return [thrown(() => crypto.getRandomValues([1])), thrown(() => crypto.getRandomValues())]`, `["TypeError","TypeError"]`},
		{"randomUUID", `const all = new Set(); for (let i = 0; i < 100; i++) all.add(crypto.randomUUID()); return [all.size, [...all].every((u) => /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(u))]`, `[100,true]`},
	})
}
