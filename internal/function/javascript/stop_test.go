//go:build cgo && linux && (amd64 || arm64)

package javascript_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/function"
	"github.com/nex-engine/nex/internal/function/javascript"
	"github.com/nex-engine/nex/internal/hostapi"
)

// well makes a function that does harm unless its payload is well.
func well(harm string) string {
	return "const harm = " + harm + ";\nlet n = 0;\n(subject, payload) => { n++; return payload.length === 4 ? 'well' : harm(subject, payload) }"
}

// Each of these would go on for ever, or nearly so.
var endless = map[string]string{
	"a loop":                 "() => { while (1) {} }",
	"a loop of built-ins":    "() => { for (let i = 0; ; i++) new Array(1000).fill(i) }",
	"a loop that catches":    "() => { for (;;) { try { throw 1 } catch {} finally { } } }",
	"finally":                "() => { try { for (;;); } finally { for (;;); } }",
	"a regular expression":   "() => /(a+)+$/.test('a'.repeat(50) + 'b')",
	"promises":               "async () => { for (;;) await 0 }",
	"microtasks":             "() => new Promise(() => { const f = () => queueMicrotask(f); f() })",
	"recursion that catches": "() => { function f() { try { f() } finally { f() } } f() }",
	"sorting":                "() => { const a = new Array(1e6).fill(0).map(Math.random); for (;;) a.sort((x, y) => x - y) }",
	"WebAssembly": `() => new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0,
		7, 5, 1, 1, 102, 0, 0, 10, 9, 1, 7, 0, 3, 64, 12, 0, 11, 11))).exports.f()`,
	"logs":                    "() => { for (;;) console.log('x') }",
	"timers":                  "() => new Promise(() => setInterval(() => {}, 0))",
	"a timer":                 "() => new Promise((f) => setTimeout(f, 1e9))",
	"a timer that never ends": "() => new Promise(() => setTimeout(() => { for (;;); }, 1))",
	"an error's text":         "() => { throw {get message() { for (;;); }} }",
	"a result's JSON":         "() => ({toJSON() { for (;;); }})",
}

func TestDeadline(t *testing.T) {
	for name, harm := range endless {
		t.Run(name, func(t *testing.T) {
			rt := load(t, well(harm))
			for range 2 {
				began := time.Now()
				_, err := callWithin(t, rt, 50*time.Millisecond, function.Call{})
				refused(t, err, function.StatusTimeout, "did not end before its deadline")
				if took := time.Since(began); took > 2*function.StopWithin {
					t.Errorf("the call took %s", took)
				}
				if got := reply(t, rt, "well"); got != "well" {
					t.Errorf("the next reply = %q", got)
				}
			}
		})
	}
}

// A result that is there counts, even if what the function has left behind must be stopped.
func TestDeadlineOfWhatIsLeftBehind(t *testing.T) {
	rt := load(t, well("() => { (async () => { for (;;) await 0 })(); return 'x' }"))
	for range 2 {
		if got, err := callWithin(t, rt, 50*time.Millisecond, function.Call{}); err != nil || string(got.Payload) != "x" {
			t.Errorf("the reply = %q, %v", got.Payload, err)
		}
		if got := reply(t, rt, "well"); got != "well" {
			t.Errorf("the next reply = %q", got)
		}
	}
}

func TestMemoryLimit(t *testing.T) {
	for name, harm := range map[string]string{
		"objects": "() => { const a = []; for (;;) a.push({x: 1, y: [1, 2]}) }",
		"arrays":  "() => { const a = []; for (;;) a.push(new Array(1000).fill(1)) }",
		"strings": "() => { const a = []; for (let i = 0; ; i++) a.push('x'.repeat(1000) + i) }",
		"a map":   "() => { const m = new Map(); for (let i = 0; ; i++) m.set(i, [i]) }",
		"closure": "async () => { const a = []; for (;;) { await 0; const b = new Array(100).fill(1); a.push(() => b) } }",
	} {
		t.Run(name, func(t *testing.T) {
			rt := load(t, well(harm), func(c *function.Config) { c.Concurrency = 2 })
			// Another call, in an isolate of its own, goes on meanwhile.
			var other sync.WaitGroup
			other.Go(func() {
				for range 20 {
					if got, err := call(t, rt, "well"); err != nil || string(got.Payload) != "well" {
						t.Errorf("another call = %q, %v", got.Payload, err)
					}
				}
			})
			for range 2 {
				_, err := call(t, rt, "")
				refused(t, err, function.StatusFailed, "the function needed more than the 64 MiB of memory that it may have and was stopped")
			}
			other.Wait()
			if got := reply(t, rt, "well"); got != "well" {
				t.Errorf("the next reply = %q", got)
			}
		})
	}
}

// What calls leave in variables counts, too: an isolate that holds too much is replaced.
func TestMemoryKeptBetweenCalls(t *testing.T) {
	for name, keep := range map[string]string{
		"objects": "kept.push(new Array(100000).fill(n))",
		"buffers": "kept.push(new Uint8Array(1 << 20).fill(n))",
	} {
		t.Run(name, func(t *testing.T) {
			rt := load(t, "const kept = []; let n = 0; () => { n++; "+keep+"; return n }")
			most := 0
			for range 300 {
				var n int
				if _, err := fmt.Sscan(reply(t, rt, ""), &n); err != nil {
					t.Fatal(err)
				}
				most = max(most, n)
			}
			// Half of 64 MiB, in pieces of 0.4 to 1 MiB.
			if most < 10 || most > 100 {
				t.Errorf("the variables lasted for %d calls", most)
			}
		})
	}
}

// Garbage alone is no reason to lose the variables.
func TestGarbageIsNotKept(t *testing.T) {
	rt := load(t, "let n = 0; () => { for (let i = 0; i < 20; i++) new Uint8Array(1 << 20); new Array(100000).fill({}); return ++n }")
	for range 99 {
		reply(t, rt, "")
	}
	if got := reply(t, rt, ""); got != "100" {
		t.Errorf("the function counts %s calls, want 100", got)
	}
}

// A function that cannot be loaded a second time fails its calls, and works again when it can.
func TestReloadFails(t *testing.T) {
	var loads atomic.Int32
	host := hostStub(func(context.Context, hostapi.Request) (hostapi.Response, error) {
		if n := loads.Add(1); n == 2 || n == 3 {
			return hostapi.Response{}, hostapi.Errorf(hostapi.CodeUnavailable, "not now")
		}
		return hostapi.Response{}, nil
	})
	rt := load(t, "hostServices.kv.get('k');\n"+well("() => { for (;;); }"), func(c *function.Config) { c.Host = host })
	_, err := callWithin(t, rt, 50*time.Millisecond, function.Call{})
	refused(t, err, function.StatusTimeout, "")
	_, err = call(t, rt, "well")
	e := refused(t, err, function.StatusFailed, "the function had to be loaded anew, and this failed: echo.js:1:17 cannot be loaded, because its code throws: HostServiceError: not now")
	if e.Stack == "" {
		t.Error("the error has no stack")
	}
	if got := reply(t, rt, "well"); got != "well" {
		t.Errorf("the reply = %q", got)
	}
	if n := loads.Load(); n != 4 {
		t.Errorf("the function was loaded %d times, want 4", n)
	}
}

// forever cannot be stopped: a built-in function that looks for something in 2⁵³ places.
const forever = "Array.prototype.indexOf.call({length: 2 ** 53 - 1}, 1)"

// What cannot be stopped is told as such, and does not keep the caller. It goes on in the background,
// so it is in a process of its own.
func TestStuck(t *testing.T) {
	cases := map[string]func(*testing.T){"call": stuckCall, "load": stuckLoad, "reload": stuckReload}
	if name := os.Getenv("NEX_TEST_STUCK"); name != "" {
		cases[name](t)
		fmt.Println("it was stuck")
		os.Exit(0)
	}
	for name := range cases {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestStuck$")
			cmd.Env = append(os.Environ(), "NEX_TEST_STUCK="+name)
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), "it was stuck") {
				t.Errorf("the process ends with %v:\n%s", err, out)
			}
		})
	}
}

// wantStuck checks an error that came so long after a call had to end.
func wantStuck(t *testing.T, err error, took time.Duration) {
	t.Helper()
	if !errors.Is(err, function.ErrStuck) {
		t.Fatalf("the error is %v, want ErrStuck", err)
	}
	if took > 3*function.StopWithin {
		t.Errorf("the call took %s", took)
	}
}

func stuckCall(t *testing.T) {
	rt := load(t, well("() => "+forever), func(c *function.Config) { c.Concurrency = 2 })
	began := time.Now()
	_, err := callWithin(t, rt, 50*time.Millisecond, function.Call{})
	wantStuck(t, err, time.Since(began))
	if got := reply(t, rt, "well"); got != "well" {
		t.Errorf("another call = %q", got)
	}
	rt.Close() // returns all the same
}

func stuckLoad(t *testing.T) {
	const within = time.Second // enough to get as far as the loop on a busy machine
	began := time.Now()
	wantStuck(t, loadError(t, forever+"; () => 1", within), time.Since(began)-within)
}

// Nobody waits while an isolate is replaced; the next caller is told.
func stuckReload(t *testing.T) {
	var loads atomic.Int32
	cfg := config(t, "if (hostServices.kv.keys().length > 0) "+forever+"; "+well("() => { for (;;); }"))
	cfg.Host = hostStub(func(context.Context, hostapi.Request) (hostapi.Response, error) {
		if loads.Add(1) == 1 {
			return hostapi.Response{Meta: []byte(`{"keys":[]}`)}, nil
		}
		return hostapi.Response{Meta: []byte(`{"keys":["a"]}`)}, nil
	})
	rt, err := javascript.LoadTimed(t.Context(), cfg, 100*time.Millisecond, patience)
	if err != nil {
		t.Fatal(err)
	}
	_, err = callWithin(t, rt, 50*time.Millisecond, function.Call{})
	refused(t, err, function.StatusTimeout, "")
	began := time.Now()
	_, err = call(t, rt, "well")
	wantStuck(t, err, time.Since(began))
	rt.Close()
}

// Many calls are stopped at the moment they begin or end, which must neither stop the next one nor
// be lost.
func TestStopRaces(t *testing.T) {
	rt := load(t, "(subject, payload) => { if (payload[0] === 1) for (;;); return 'well' }", func(c *function.Config) { c.Concurrency = 2 })
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			for i := range 40 {
				within := time.Duration(i*25) * time.Microsecond
				ctx, cancel := context.WithTimeout(context.Background(), within)
				_, err := rt.Call(ctx, function.Call{ID: "x", Subject: "s", Payload: []byte{byte((i + worker) % 2)}})
				cancel()
				if errors.Is(err, function.ErrStuck) {
					t.Errorf("a call with a deadline of %s is stuck", within)
				}
				if got, err := call(t, rt, "well"); err != nil || string(got.Payload) != "well" {
					t.Errorf("the next call = %q, %v", got.Payload, err)
				}
			}
		})
	}
	group.Wait()
}
