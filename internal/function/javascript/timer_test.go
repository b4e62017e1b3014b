//go:build cgo && linux && (amd64 || arm64)

package javascript_test

import (
	"testing"

	"github.com/nex-engine/nex/internal/function"
)

func TestTimers(t *testing.T) {
	for _, c := range []struct{ name, body, want string }{
		{"order", `const t = []; for (const ms of [30, 10, 20, 10, 0]) setTimeout((x) => t.push(x), ms, ms + '/' + t.length); await sleep(40); return t.join()`, "0/0,10/0,10/0,20/0,30/0"},
		{"same time, order of age", `const t = []; for (let i = 0; i < 50; i++) setTimeout(() => t.push(i), 1); await sleep(5); return t.join() === [...t.keys()].join() && t.length`, "50"},
		{"arguments", `return await new Promise((f) => setTimeout((...a) => f(a), 1, 1, 'x'))`, `[1,"x"]`},
		{"clear", `let n = 0; const a = setTimeout(() => n++, 1); const b = setTimeout(() => n += 10, 2); clearTimeout(a); await sleep(5); clearTimeout(b); return n`, "10"},
		{"clear many", `let n = 0; const ids = []; for (let i = 0; i < 100; i++) ids.push(setTimeout(() => n++, (i * 37) % 5)); for (let i = 0; i < 100; i += 3) clearTimeout(ids[i]); await sleep(8); return n`, "66"},
		{"clear nonsense", `clearTimeout(); clearTimeout(null); clearTimeout({}); clearTimeout(Symbol()); clearInterval('x'); return 'ok'`, "ok"},
		{"interval", `let n = 0; await new Promise((f) => { const id = setInterval(() => { if (++n === 3) { clearInterval(id); f() } }, 1) }); await sleep(5); return n`, "3"},
		{"microtasks between", `const t = []; setTimeout(() => { t.push(1); Promise.resolve().then(() => t.push(2)) }, 0); setTimeout(() => t.push(3), 0); await sleep(3); return t.join()`, "1,2,3"},
		{"queueMicrotask", `const t = []; queueMicrotask(() => t.push(1)); t.push(0); await null; return t.join()`, "0,1"},
		{"no function", `try { setTimeout('code') } catch (e) { return e.name }`, "TypeError"},
		{"no microtask", `try { queueMicrotask() } catch (e) { return e.name }`, "TypeError"},
		{"too many", `let n = 0; try { for (;;) { setTimeout(() => {}, 1e6); n++ } } catch (e) { return e.name + n }`, "RangeError10000"},
		{"clock", `const a = performance.now(); await sleep(5); const d = performance.now() - a; return d >= 5 && d < 5000 && performance.timeOrigin > 1e12`, "true"},
		{"a sleep takes its time", `const a = Date.now(); await sleep(20); return Date.now() - a >= 19`, "true"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rt := load(t, "const sleep = (ms) => new Promise((f) => setTimeout(f, ms)); async () => { "+c.body+" }")
			for range 2 {
				if got := reply(t, rt, ""); got != c.want {
					t.Errorf("the reply = %q, want %q", got, c.want)
				}
			}
		})
	}
}

// What a timer throws reaches the log, and not the call.
func TestTimerThatThrows(t *testing.T) {
	var log recorder
	rt := load(t, `() => new Promise((f) => {
		setTimeout(() => { throw new Error('boom') }, 0);
		queueMicrotask(() => { throw 'micro' });
		setTimeout(f, 2, 'ok');
	})`, func(c *function.Config) { c.Log = log.add })
	if got := reply(t, rt, ""); got != "ok" {
		t.Errorf("the reply = %q", got)
	}
	want := "stderr ERROR Uncaught 'micro'\nstderr ERROR Uncaught Error: boom\nstderr ERROR     at echo.js:2:28\n"
	if got := log.text(); got != want {
		t.Errorf("the log =\n%s\nwant\n%s", got, want)
	}
}

// The timers of a call are gone when it has ended.
func TestTimersEndWithTheirCall(t *testing.T) {
	rt := load(t, `let n = 0; (subject, payload) => {
		if (payload.length === 0) { setInterval(() => n++, 1); return }
		return new Promise((f) => setTimeout(() => f(n), 10));
	}`)
	for range 3 {
		reply(t, rt, "")
		if got := reply(t, rt, "x"); got != "0" {
			t.Errorf("the timer of an earlier call has run %s times", got)
		}
	}
}
