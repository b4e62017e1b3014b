//go:build cgo && linux && (amd64 || arm64)

package javascript_test

import (
	"strings"
	"testing"
	"time"
)

func TestEventTarget(t *testing.T) {
	checkFacts(t, []fact{
		{
			"order, once, and no listener twice", `const t = new EventTarget(); let s = ''; const f = () => { s += 'f' };
			t.addEventListener('x', f); t.addEventListener('x', f, {passive: true}); t.addEventListener('x', () => { s += 'o' }, {once: true});
			t.addEventListener('x', {handleEvent() { s += 'h' }}); t.addEventListener('x', () => { s += 'c' }, true); t.addEventListener('y', () => { s += 'y' });
			t.dispatchEvent(new Event('x')); t.dispatchEvent(new Event('x')); return s`, `"cfohcfh"`,
		},
		{"removal", `const t = new EventTarget(); let n = 0; const f = () => n++; t.addEventListener('x', f); t.removeEventListener('x', f, true); t.dispatchEvent(new Event('x')); t.removeEventListener('x', f); t.dispatchEvent(new Event('x')); return n`, `1`},
		{"removal and addition by a listener", `const t = new EventTarget(); let s = ''; const b = () => { s += 'b' }; t.addEventListener('x', () => { s += 'a'; t.removeEventListener('x', b); t.addEventListener('x', () => { s += 'n' }, {once: true}) }, {once: true}); t.addEventListener('x', b); t.dispatchEvent(new Event('x')); t.dispatchEvent(new Event('x')); return s`, `"an"`},
		{"signal", `const t = new EventTarget(); const c = new AbortController(); let n = 0; t.addEventListener('x', () => n++, {signal: c.signal}); t.dispatchEvent(new Event('x')); c.abort(); t.dispatchEvent(new Event('x')); t.addEventListener('x', () => n++, {signal: c.signal}); t.dispatchEvent(new Event('x')); return n`, `1`},
		{"preventDefault", `const t = new EventTarget(); t.addEventListener('x', (e) => e.preventDefault()); return [t.dispatchEvent(new Event('x')), t.dispatchEvent(new Event('x', {cancelable: true}))]`, `[true,false]`},
		{"passive", `const t = new EventTarget(); t.addEventListener('x', (e) => e.preventDefault(), {passive: true}); return t.dispatchEvent(new Event('x', {cancelable: true}))`, `true`},
		{"stopping", `const t = new EventTarget(); let s = ''; t.addEventListener('x', (e) => { s += 'a'; e.stopPropagation() }, true); t.addEventListener('x', () => { s += 'b' }, true); t.addEventListener('x', () => { s += 'c' }); t.addEventListener('y', (e) => { s += 'd'; e.stopImmediatePropagation() }); t.addEventListener('y', () => { s += 'e' });
			t.dispatchEvent(new Event('x')); t.dispatchEvent(new Event('y')); return s`, `"abd"`},
		{"what a listener sees", `const t = new EventTarget(); let seen; const e = new CustomEvent('x', {detail: 5, bubbles: true}); t.addEventListener('x', function (e) { seen = [this === t, e.target === t, e.currentTarget === t, e.eventPhase, e.composedPath().length, e.detail, e.bubbles, e.isTrusted] }); t.dispatchEvent(e); return [seen, e.target === t, e.currentTarget, e.eventPhase, e.composedPath()]`, `[[true,true,true,2,1,5,true,false],true,null,0,[]]`},
		{"dispatched already", `const t = new EventTarget(); const e = new Event('x'); let name; t.addEventListener('x', () => { name = thrown(() => t.dispatchEvent(e)) }); t.dispatchEvent(e); return name`, `"InvalidStateError"`},
		{"no event", `return [thrown(() => new EventTarget().dispatchEvent({type: 'x'})), thrown(() => new Event()), thrown(() => new EventTarget().addEventListener('x', 1))]`, `["TypeError","TypeError","TypeError"]`},
		{"no listener", `const t = new EventTarget(); t.addEventListener('x', null); return t.dispatchEvent(new Event('x'))`, `true`},
		{"subclass", `class A extends EventTarget {} const a = new A(); let n = 0; a.addEventListener('x', () => n++); a.dispatchEvent(new Event('x')); return n`, `1`},
		{"constants", `return [Event.AT_TARGET, Event.prototype.BUBBLING_PHASE, thrown(() => { 'use strict'; Event.NONE = 1 })]`, `[2,3,"TypeError"]`},
	})
}

func TestListenerThatThrows(t *testing.T) {
	w := startWeb(t, noHost)
	got := w.eval(t, `const t = new EventTarget(); let n = 0; t.addEventListener('x', () => { throw new Error('from the listener') }); t.addEventListener('x', () => n++); t.dispatchEvent(new Event('x')); return n`)
	if got != "1" {
		t.Errorf("the other listener was called %s times, want 1", got)
	}
	select {
	case l := <-w.logged:
		if !strings.Contains(l.Text, "from the listener") {
			t.Errorf("logged %q, want the exception", l.Text)
		}
	case <-time.After(30 * time.Second):
		t.Error("the exception was not logged")
	}
}

func TestAbort(t *testing.T) {
	checkFacts(t, []fact{
		{"abort", `const c = new AbortController(); const seen = []; c.signal.onabort = (e) => seen.push('on', e.type); c.signal.addEventListener('abort', () => seen.push('listener')); c.abort(); c.abort('again'); return [seen, c.signal.aborted, c.signal.reason.name, c.signal.reason.code]`, `[["on","abort","listener"],true,"AbortError",20]`},
		{"reason", `const c = new AbortController(); c.abort('why'); try { c.signal.throwIfAborted() } catch (e) { return e }`, `"why"`},
		{"not aborted", `const s = new AbortController().signal; s.throwIfAborted(); return [s.aborted, s.reason === undefined]`, `[false,true]`},
		{"onabort can be replaced and removed", `const c = new AbortController(); let s = ''; c.signal.onabort = () => { s += 'a' }; c.signal.onabort = () => { s += 'b' }; const d = new AbortController(); d.signal.onabort = () => { s += 'c' }; d.signal.onabort = null; c.abort(); d.abort(); return [s, d.signal.onabort]`, `["b",null]`},
		{"already aborted", `const s = AbortSignal.abort(); return [s.aborted, s.reason.name, AbortSignal.abort('r').reason]`, `[true,"AbortError","r"]`},
		{"timeout", `const s = AbortSignal.timeout(1); await new Promise((r) => { s.onabort = r }); return [s.aborted, s.reason.name, s.reason.code]`, `[true,"TimeoutError",23]`},
		{"timeout of nonsense", `return [thrown(() => AbortSignal.timeout(-1)), thrown(() => AbortSignal.timeout('x')), thrown(() => AbortSignal.timeout())]`, `["TypeError","TypeError","TypeError"]`},
		{"any", `const [a, b] = [new AbortController(), new AbortController()]; const s = AbortSignal.any([a.signal, b.signal]); let n = 0; s.onabort = () => n++; b.abort('b'); a.abort('a'); return [s.reason, n]`, `["b",1]`},
		{"any of one aborted already", `return AbortSignal.any([new AbortController().signal, AbortSignal.abort('x')]).reason`, `"x"`},
		{"any of any", `const a = new AbortController(); const s = AbortSignal.any([AbortSignal.any([a.signal])]); a.abort(1); return s.reason`, `1`},
		{"all are aborted before listeners see it", `const a = new AbortController(); const s = AbortSignal.any([a.signal]); let seen; a.signal.onabort = () => { seen = s.aborted }; a.abort(); return seen`, `true`},
		{"any of none", `return [AbortSignal.any([]).aborted, thrown(() => AbortSignal.any([1])), thrown(() => AbortSignal.any())]`, `[false,"TypeError","TypeError"]`},
		{"no constructor", `return thrown(() => new AbortSignal())`, `"TypeError"`},
	})
}

func TestDOMException(t *testing.T) {
	checkFacts(t, []fact{
		{"properties", `const e = new DOMException('m', 'AbortError'); return [e.name, e.message, e.code, String(e), e instanceof Error, e.stack.startsWith('AbortError: m\n')]`, `["AbortError","m",20,"AbortError: m",true,true]`},
		{"defaults", `const e = new DOMException(); return [e.name, e.message, e.code]`, `["Error","",0]`},
		{"cause", `return new DOMException('m', {name: 'X', cause: 5}).cause`, `5`},
		{"constants", `return [DOMException.INDEX_SIZE_ERR, DOMException.DATA_CLONE_ERR, DOMException.prototype.TIMEOUT_ERR]`, `[1,25,23]`},
	})
}
