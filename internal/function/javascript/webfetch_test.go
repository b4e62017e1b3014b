//go:build cgo && linux && (amd64 || arm64)

package javascript_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/nex-engine/nex/internal/hostapi"
)

func TestHeaders(t *testing.T) {
	checkFacts(t, []fact{
		{"names are alike in upper and lower case", `const h = new Headers({A: '1'}); h.append('a', '2'); return [h.get('A'), h.has('a'), [...h]]`, `["1, 2",true,[["a","1, 2"]]]`},
		{"of pairs, of another, of nothing", `const h = new Headers([['b', '1'], ['a', '2']]); return [[...new Headers(h)], [...new Headers()], [...new Headers(undefined)]]`, `[[["a","2"],["b","1"]],[],[]]`},
		{"set and delete", `const h = new Headers([['a', '1'], ['a', '2']]); h.set('A', 3); const v = h.get('a'); h.delete('a'); return [v, h.get('a'), h.has('a')]`, `["3",null,false]`},
		{"values are trimmed", `return new Headers({a: ' \t x y\r\n '}).get('a')`, `"x y"`},
		{"wrong names and values", `return [{'': 'x'}, {'a b': 'x'}, {'ü': 'x'}, {a: 'x\ny'}, {a: '\0'}, {a: '€'}].map((i) => thrown(() => new Headers(i)))`, `["TypeError","TypeError","TypeError","TypeError","TypeError","TypeError"]`},
		{"wrong arguments", `return [thrown(() => new Headers('a')), thrown(() => new Headers(null)), thrown(() => new Headers([['a']])), thrown(() => new Headers().get())]`, `["TypeError","TypeError","TypeError","TypeError"]`},
		{"cookies stay apart", `const h = new Headers(); h.append('Set-Cookie', 'a=1'); h.append('set-cookie', 'b=2'); h.append('x', 'y'); return [h.getSetCookie(), [...h], h.get('set-cookie')]`, `[["a=1","b=2"],[["set-cookie","a=1"],["set-cookie","b=2"],["x","y"]],"a=1, b=2"]`},
		{"names of built-in properties", `const h = new Headers({constructor: 'x', __proto__: null, ['__proto__']: 'y'}); return [h.get('constructor'), h.get('__proto__'), h.get('tostring')]`, `["x","y",null]`},
		{"iteration is live", `const h = new Headers({a: '1'}); const seen = []; for (const [n] of h) { seen.push(n); if (n === 'a') h.set('b', '2') } return seen`, `["a","b"]`},
	})
}

func TestResponse(t *testing.T) {
	checkFacts(t, []fact{
		{"defaults", `const r = new Response(); return [r.status, r.ok, r.statusText, r.type, r.url, r.redirected, r.body, r.bodyUsed, await r.text(), r.bodyUsed]`, `[200,true,"","default","",false,null,false,"",false]`},
		{
			"bodies", `const b = new TextEncoder().encode('xyz'); const all = ['é', b, b.buffer, new DataView(b.buffer, 1), new URLSearchParams({a: 'b c'}), 5, null];
			return Promise.all(all.map(async (v) => { const r = new Response(v); return [r.headers.get('content-type'), await r.text()] }))`,
			`[["text/plain;charset=UTF-8","é"],[null,"xyz"],[null,"xyz"],[null,"yz"],["application/x-www-form-urlencoded;charset=UTF-8","a=b+c"],["text/plain;charset=UTF-8","5"],[null,""]]`,
		},
		{"own content type", `return new Response('x', {headers: {'Content-Type': 'a/b'}}).headers.get('content-type')`, `"a/b"`},
		{"readings", `const of = () => new Response('[1]'); return [await of().text(), await of().json(), [...await of().bytes()], (await of().arrayBuffer()).byteLength]`, `["[1]",[1],[91,49,93],3]`},
		{"once", `const r = new Response('x'); await r.text(); return [r.bodyUsed, await rejected(r.text()), thrown(() => r.clone())]`, `[true,"TypeError","TypeError"]`},
		{"clone", `const r = new Response('x', {status: 404, headers: {a: 'b'}}); const c = r.clone(); c.headers.set('a', 'c'); const b = await r.bytes(); b[0] = 0; return [c.status, c.ok, await c.text(), r.headers.get('a')]`, `[404,false,"x","b"]`},
		{"the body is a copy", `const b = new Uint8Array([65]); const r = new Response(b); b[0] = 66; return r.text()`, `"A"`},
		{"byte order mark", `return [(await new Response('\ufeffx').text()).length, await new Response('\ufeff1').json()]`, `[1,1]`},
		{"not JSON", `return rejected(new Response('{').json())`, `"SyntaxError"`},
		{"wrong status", `return [199, 600, -1, 'x'].map((status) => thrown(() => new Response(null, {status})))`, `["RangeError","RangeError","RangeError","RangeError"]`},
		{"wrong status text", `return thrown(() => new Response(null, {statusText: 'a\nb'}))`, `"TypeError"`},
		{"no body with some statuses", `return [204, 205, 304].map((status) => thrown(() => new Response('', {status})))`, `["TypeError","TypeError","TypeError"]`},
		{"json", `const r = Response.json({a: 1}, {status: 201}); return [r.status, r.headers.get('content-type'), await r.json(), thrown(() => Response.json(() => 1))]`, `[201,"application/json",{"a":1},"TypeError"]`},
		{"error", `const r = Response.error(); return [r.type, r.status, r.ok, thrown(() => r.headers.set('a', 'b'))]`, `["error",0,false,"TypeError"]`},
		{"redirect", `const r = Response.redirect('http://h/x', 301); return [r.status, r.headers.get('location'), Response.redirect('http://h').status, thrown(() => Response.redirect('/x')), thrown(() => Response.redirect('http://h', 200))]`, `[301,"http://h/x",302,"TypeError","RangeError"]`},
		{"wrong receiver", `return rejected(Response.prototype.text.call({}))`, `"TypeError"`},
	})
}

func TestRequest(t *testing.T) {
	checkFacts(t, []fact{
		{"defaults", `const r = new Request('http://h'); return [r.method, r.url, r.redirect, r.body, r.signal.aborted, [...r.headers]]`, `["GET","http://h/","follow",null,false,[]]`},
		{"methods", `return ['get', 'Post', 'patch', 'x'].map((method) => new Request('http://h', {method}).method)`, `["GET","POST","patch","x"]`},
		{"wrong methods", `return ['', 'a b', 'trace', 'CONNECT'].map((method) => thrown(() => new Request('http://h', {method})))`, `["TypeError","TypeError","TypeError","TypeError"]`},
		{"wrong URLs", `return ['/x', 'http://', 'http://u:p@h'].map((u) => thrown(() => new Request(u)))`, `["TypeError","TypeError","TypeError"]`},
		{"wrong options", `return [{redirect: 'x'}, {signal: {}}, {body: 'x'}, {method: 'HEAD', body: 'x'}, {headers: 'x'}].map((o) => thrown(() => new Request('http://h', o)))`, `["TypeError","TypeError","TypeError","TypeError","TypeError"]`},
		{"of a request", `const a = new Request('http://h/x', {method: 'POST', body: 'b', headers: {q: '1'}}); const b = new Request(a, {headers: {r: '2'}}); return [b.method, b.url, [...b.headers], await b.text(), a.bodyUsed]`, `["POST","http://h/x",[["r","2"]],"b",true]`},
		{"of a request that was read", `const a = new Request('http://h/x', {method: 'POST', body: 'b'}); await a.text(); return [thrown(() => new Request(a)), await new Request(a, {body: 'c'}).text()]`, `["TypeError","c"]`},
		{"clone", `const a = new Request('http://h/x', {method: 'POST', body: 'b'}); const c = a.clone(); return [await a.text(), await c.text(), c.headers.get('content-type')]`, `["b","b","text/plain;charset=UTF-8"]`},
		{"signal follows", `const c = new AbortController(); const r = new Request('http://h', {signal: c.signal}); const s = new Request(r); c.abort('x'); return [r.signal.reason, s.signal.reason, r.signal !== c.signal]`, `["x","x",true]`},
	})
}

// httpHost answers HTTP requests with what it was asked; the host of the URL chooses otherwise.
func httpHost(ctx context.Context, r hostapi.Request) (hostapi.Response, error) {
	var req hostapi.HTTPRequest
	if err := json.Unmarshal(r.Meta, &req); err != nil || r.Service != hostapi.HTTP || r.Method != "request" {
		return hostapi.Response{}, hostapi.Errorf(hostapi.CodeInvalid, "not an HTTP request: %v", err)
	}
	answer := hostapi.HTTPResponse{Status: 200, StatusText: "OK", URL: req.URL, Headers: map[string][]string{"X-A": {"1", "2"}, "Set-Cookie": {"a=1", "b=2"}}}
	switch req.URL {
	case "http://denied/":
		return hostapi.Response{}, hostapi.Errorf(hostapi.CodeDenied, "the address is private")
	case "http://slow/":
		<-ctx.Done()
		return hostapi.Response{}, hostapi.Errorf(hostapi.CodeTimeout, "the call has ended")
	case "http://moved/":
		answer.URL, answer.Redirected = "http://there/", true
	case "http://none/":
		answer.Status = 204
	case "http://odd/":
		answer.Headers = map[string][]string{"a b": {"x"}, "ok": {"y", "\x00"}}
	}
	echo, err := json.Marshal(map[string]any{"method": req.Method, "url": req.URL, "headers": req.Headers, "redirect": req.Redirect, "body": string(r.Body)})
	if err != nil {
		return hostapi.Response{}, hostapi.Errorf(hostapi.CodeInternal, "encode: %v", err)
	}
	meta, err := json.Marshal(answer)
	if err != nil {
		return hostapi.Response{}, hostapi.Errorf(hostapi.CodeInternal, "encode: %v", err)
	}
	return hostapi.Response{Meta: meta, Body: echo}, nil
}

func TestFetch(t *testing.T) {
	startWeb(t, httpHost).check(t, []fact{
		{
			"what is sent", `const r = await fetch('http://h/x?y#z', {method: 'put', headers: [['q', '1'], ['q', '2']], body: 'é', redirect: 'manual'}); return r.json()`,
			`{"method":"PUT","url":"http://h/x?y","headers":{"q":["1","2"],"content-type":["text/plain;charset=UTF-8"]},"redirect":"manual","body":"é"}`,
		},
		{"defaults", `return (await fetch(new URL('http://h'))).json()`, `{"method":"GET","url":"http://h/","headers":{},"redirect":"follow","body":""}`},
		{"a request", `const r = new Request('http://h', {method: 'POST', body: new URLSearchParams({a: 'b'})}); return [(await (await fetch(r)).json()).body, r.bodyUsed]`, `["a=b",true]`},
		{
			"what comes back", `const r = await fetch('http://h/'); return [r.status, r.statusText, r.ok, r.url, r.type, r.redirected, [...r.headers], r.headers.getSetCookie(), thrown(() => r.headers.set('a', 'b'))]`,
			`[200,"OK",true,"http://h/","basic",false,[["set-cookie","a=1"],["set-cookie","b=2"],["x-a","1, 2"]],["a=1","b=2"],"TypeError"]`,
		},
		{"redirected", `const r = await fetch('http://moved'); return [r.url, r.redirected]`, `["http://there/",true]`},
		{"no body", `const none = await fetch('http://none'); const head = await fetch('http://h', {method: 'HEAD'}); return [await none.text(), await head.text()]`, `["",""]`},
		{"headers that cannot be", `return [...(await fetch('http://odd')).headers]`, `[["ok","y"]]`},
		{"failure", `try { await fetch('http://denied') } catch (e) { return [e.name, e.message, e.cause.code, e.cause.name] }`, `["TypeError","fetch failed: the address is private","denied","HostServiceError"]`},
		{"other schemes", `return [await rejected(fetch('ftp://h')), await rejected(fetch('data:,x')), await rejected(fetch('/x')), await rejected(fetch())]`, `["TypeError","TypeError","TypeError","TypeError"]`},
		{"aborted before", `return [await rejected(fetch('http://h', {signal: AbortSignal.abort()})), await fetch('http://h', {signal: AbortSignal.abort('why')}).catch((e) => e)]`, `["AbortError","why"]`},
		{"aborted meanwhile", `const c = new AbortController(); const p = fetch('http://slow', {signal: c.signal}); c.abort('why'); return p.catch((e) => e)`, `"why"`},
		{"timeout", `return rejected(fetch('http://slow', {signal: AbortSignal.timeout(1)}))`, `"TimeoutError"`},
		{"aborted afterwards", `const c = new AbortController(); const r = await fetch('http://h', {signal: c.signal}); c.abort(); return r.ok && (await r.json()).method`, `"GET"`},
		{"all at once", `return (await Promise.all(['a', 'b', 'c'].map(async (n) => (await (await fetch('http://' + n)).json()).url))).join()`, `"http://a/,http://b/,http://c/"`},
	})
}
