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
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/function"
)

// well makes a function that does harm unless its payload is well.
func well(harm string) string {
	return "const harm = " + harm + ";\nlet n = 0;\n(subject, payload) => { n++; return payload.length === 4 ? 'well' : harm(subject, payload) }"
}

// Each of these would go on for ever, or nearly so.
var endless = map[string]string{
	"a loop":                  "() => { while (1) {} }",
	"a loop of built-ins":     "() => { for (let i = 0; ; i++) new Array(1000).fill(i) }",
	"a loop that catches":     "() => { for (;;) { try { throw 1 } catch {} finally { } } }",
	"finally":                 "() => { try { for (;;); } finally { for (;;); } }",
	"a regular expression":    "() => /(a+)+$/.test('a'.repeat(50) + 'b')",
	"promises":                "async () => { for (;;) await 0 }",
	"microtasks":              "() => new Promise(() => { const f = () => queueMicrotask(f); f() })",
	"recursion that catches":  "() => { function f() { try { f() } finally { f() } } f() }",
	"sorting":                 "() => { const a = new Array(1e6).fill(0).map(Math.random); for (;;) a.sort((x, y) => x - y) }",
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

// What cannot be stopped is told as such, and does not keep the caller. It goes on in the background,
// so it is in a process of its own.
func TestStuck(t *testing.T) {
	if os.Getenv("NEX_TEST_STUCK") != "" {
		stuck(t)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestStuck$", "-test.v")
	cmd.Env = append(os.Environ(), "NEX_TEST_STUCK=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "the call was stuck") {
		t.Errorf("the process ends with %v:\n%s", err, out)
	}
}

func stuck(t *testing.T) {
	// A built-in function that looks for something in 2⁵³ places.
	rt := load(t, well("() => Array.prototype.indexOf.call({length: 2 ** 53 - 1}, 1)"), func(c *function.Config) { c.Concurrency = 2 })
	began := time.Now()
	_, err := callWithin(t, rt, 50*time.Millisecond, function.Call{})
	took := time.Since(began)
	if !errors.Is(err, function.ErrStuck) {
		t.Fatalf("the error is %v, want ErrStuck", err)
	}
	if took < function.StopWithin || took > 3*function.StopWithin {
		t.Errorf("the call took %s", took)
	}
	if got := reply(t, rt, "well"); got != "well" {
		t.Errorf("another call = %q", got)
	}
	rt.Close() // returns all the same
	fmt.Println("the call was stuck")
	os.Exit(0)
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
