//go:build cgo && linux && (amd64 || arm64)

package javascript_test

import "testing"

func TestURL(t *testing.T) {
	checkFacts(t, []fact{
		{
			"properties", `const u = new URL('../b?q#f', 'http://u:p@EXAMPLE.com:8080/a/c/d');
			return [u.href, u.origin, u.protocol, u.username, u.password, u.host, u.hostname, u.port, u.pathname, u.search, u.hash]`,
			`["http://u:p@example.com:8080/a/b?q#f","http://example.com:8080","http:","u","p","example.com:8080","example.com","8080","/a/b","?q","#f"]`,
		},
		{
			"setters", `const u = new URL('http://h');
			u.protocol = 'https:'; u.username = 'ü'; u.password = 'p'; u.host = 'i:1'; u.hostname = 'j'; u.port = 2; u.pathname = 'x y'; u.search = 's'; u.hash = 'h';
			return u.href`, `"https://%C3%BC:p@j:2/x%20y?s#h"`,
		},
		{"setters that are refused", `const u = new URL('http://h:1/'); u.port = 'x'; u.host = 'a b'; u.protocol = 'nats'; return u.href`, `"http://h:1/"`},
		{"href that is refused", `const u = new URL('http://h/'); return [thrown(() => { u.href = 'x' }), u.href]`, `["TypeError","http://h/"]`},
		{"origin cannot be set", `'use strict'; const u = new URL('http://h/'); return [thrown(() => { u.origin = 'x' }), u.origin]`, `["TypeError","http://h"]`},
		{"base that is a URL", `return new URL('x', new URL('http://h/y')).href`, `"http://h/x"`},
		{"refused", `return [thrown(() => new URL('/x')), thrown(() => new URL()), thrown(() => URL('http://h'))]`, `["TypeError","TypeError","TypeError"]`},
		{"refused, message", `try { new URL('/x') } catch (e) { return e.message }`, `"invalid URL: \"/x\""`},
		{"too long, message", `try { new URL('http://h/' + 'a'.repeat(20000)) } catch (e) { return e.message }`, `"invalid URL: it has more than 16384 bytes"`},
		{"canParse", `return [URL.canParse('x'), URL.canParse('x', 'http://h'), URL.canParse('http://h')]`, `[false,true,true]`},
		{"parse", `return [URL.parse('x'), URL.parse('x', 'http://h').href, URL.parse('http://h') instanceof URL]`, `[null,"http://h/x",true]`},
		{"texts", `const u = new URL('http://h'); return [String(u), u.toJSON(), JSON.stringify({u}), Object.prototype.toString.call(u)]`, `["http://h/","http://h/","{\"u\":\"http://h/\"}","[object URL]"]`},
		{"lone surrogate", `return new URL('http://h/\ud800').href`, `"http://h/%EF%BF%BD"`},
		{"changed built-ins", `const keep = String.prototype.slice; String.prototype.slice = () => 'broken'; try { return new URL('http://h/?a=b').searchParams.get('a') } finally { String.prototype.slice = keep }`, `"b"`},
	})
}

func TestURLAndSearchParams(t *testing.T) {
	checkFacts(t, []fact{
		{"same object", `const u = new URL('http://h?a=b'); return u.searchParams === u.searchParams`, `true`},
		{"parameters change the URL", `const u = new URL('http://h/?a=1#f'); u.searchParams.append('b', 'c d'); u.searchParams.delete('a'); return [u.href, u.search]`, `["http://h/?b=c+d#f","?b=c+d"]`},
		{"the last one goes", `const u = new URL('http://h/?a=1'); u.searchParams.delete('a'); return u.href`, `"http://h/"`},
		{"search changes the parameters", `const u = new URL('http://h/?a=1'); const p = u.searchParams; u.search = '?b=2&c'; return [[...p], u.searchParams === p]`, `[[["b","2"],["c",""]],true]`},
		{"href changes the parameters", `const u = new URL('http://h/?a=1'); const p = u.searchParams; u.href = 'http://i'; return p.size`, `0`},
		{"sort and set", `const u = new URL('http://h/?b=1&a=%C3%BC'); u.searchParams.sort(); u.searchParams.set('b', '~'); return u.href`, `"http://h/?a=%C3%BC&b=%7E"`},
		{"a copy is on its own", `const u = new URL('http://h/?a=1'); new URLSearchParams(u.searchParams).append('b', '2'); return u.href`, `"http://h/?a=1"`},
	})
}

func TestURLSearchParams(t *testing.T) {
	checkFacts(t, []fact{
		{"of text", `return [...new URLSearchParams('?a=1&b=2+3&&c&=d&%3D=%26&a=b=c')]`, `[["a","1"],["b","2 3"],["c",""],["","d"],["=","&"],["a","b=c"]]`},
		{"of malformed text", `return [...new URLSearchParams('%zz=%&%E4=%C3%BC%ff')]`, `[["%zz","%"],["\ufffd","ü\ufffd"]]`},
		{"of pairs", `return String(new URLSearchParams([['a', 1], new Set(['b', null])]))`, `"a=1&b=null"`},
		{"of a map", `return String(new URLSearchParams(new Map([['a', 'b']])))`, `"a=b"`},
		{"of an object", `return String(new URLSearchParams({a: '1 2', b: 'ü'}))`, `"a=1+2&b=%C3%BC"`},
		{"of nothing", `return [String(new URLSearchParams()), String(new URLSearchParams(undefined)), String(new URLSearchParams(null))]`, `["","","null="]`},
		{"of wrong pairs", `return [[['a']], [['a', 'b', 'c']], [1]].map((l) => thrown(() => new URLSearchParams(l)))`, `["TypeError","TypeError","TypeError"]`},
		{"escapes", `return String(new URLSearchParams({k: "a-z_0.9*!'()~ +\u0000€"}))`, `"k=a-z_0.9*%21%27%28%29%7E+%2B%00%E2%82%AC"`},
		{"get and has", `const p = new URLSearchParams('a=1&a=2'); return [p.get('a'), p.getAll('a'), p.get('b'), p.getAll('b'), p.has('a'), p.has('a', '2'), p.has('a', '3'), p.has('a', undefined)]`, `["1",["1","2"],null,[],true,true,false,true]`},
		{"delete", `const p = new URLSearchParams('a=1&b=2&a=3&a=1'); p.delete('a', '1'); const s = String(p); p.delete('a'); return [s, String(p)]`, `["b=2&a=3","b=2"]`},
		{"set", `const p = new URLSearchParams('a=1&b=2&a=3'); p.set('a', 'x'); p.set('c', 'y'); return String(p)`, `"a=x&b=2&c=y"`},
		{"sort by code units and stably", `const p = new URLSearchParams('z=1&\ufb03=2&🌈=3&a=4&z=0'); p.sort(); return [...p.values()]`, `["4","1","0","3","2"]`},
		{"size", `const p = new URLSearchParams('a=1&a=1'); p.append('b', ''); return p.size`, `3`},
		{"iterators", `const p = new URLSearchParams('a=1&b=2'); return [[...p.keys()], [...p.values()], [...p.entries()], p[Symbol.iterator] === p.entries]`, `[["a","b"],["1","2"],[["a","1"],["b","2"]],true]`},
		{"iteration is live", `const p = new URLSearchParams('a=1'); const seen = []; for (const [k] of p) { seen.push(k); if (seen.length < 3) p.append('x', '') } return seen`, `["a","x","x"]`},
		{"an iterator", `const i = new URLSearchParams('a=1').keys(); return [String(i), i[Symbol.iterator]() === i, i.next(), i.next(), i.next()]`, `["[object URLSearchParams Iterator]",true,{"value":"a","done":false},{"done":true},{"done":true}]`},
		{"forEach", `const p = new URLSearchParams('a=1'); const seen = []; p.forEach(function (v, k, all) { seen.push(v, k, all === p, this.x) }, {x: 5}); return seen`, `["1","a",true,5]`},
		{"too few arguments", `const p = new URLSearchParams(); return ['append', 'set'].map((m) => thrown(() => p[m]('a'))).concat(['get', 'has', 'delete', 'getAll', 'forEach'].map((m) => thrown(() => p[m]())))`, `["TypeError","TypeError","TypeError","TypeError","TypeError","TypeError","TypeError"]`},
	})
}
