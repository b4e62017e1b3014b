//go:build cgo && linux && (amd64 || arm64)

package javascript_test

import (
	"bytes"
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/function"
	"github.com/nex-engine/nex/internal/function/javascript"
	"github.com/nex-engine/nex/internal/hostapi"
)

// resident is the memory of this process, in bytes.
func resident(t *testing.T) int {
	t.Helper()
	runtime.GC()
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return n << 10
}

// Calls of all kinds keep nothing: no value of V8, and no memory.
func TestCallsKeepNothing(t *testing.T) {
	host := hostStub(func(_ context.Context, r hostapi.Request) (hostapi.Response, error) {
		return hostapi.Response{Body: bytes.Repeat([]byte("ä"), 1000)}, nil
	})
	rt := load(t, `let n = 0; async (subject, payload, { headers }) => {
		switch (n++ % 4) {
			case 0:
				return { data: payload, headers };
			case 1: {
				const waited = hostServices.kv.get('k');
				const promised = await hostServices.promises.kv.get('k');
				return new TextDecoder().decode(waited) + new TextDecoder().decode(promised);
			}
			case 2:
				console.log(subject, headers, new URL('http://x/').href);
				await new Promise((f) => setTimeout(f, 0));
				return 'long'.repeat(1000);
			case 3:
				throw new Error('long'.repeat(1000));
		}
	}`, func(c *function.Config) { c.Host = host })
	c := function.Call{ID: "x", Subject: strings.Repeat("s", 700), Payload: make([]byte, 1000), Header: function.Header{"A": {strings.Repeat("v", 1000)}}}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	run := func(calls int) {
		for i := range calls {
			if _, err := rt.Call(ctx, c); (err != nil) != (i%4 == 3) {
				t.Fatalf("call %d: %v", i, err)
			}
		}
	}
	run(4000)
	values, memory := javascript.RetainedValues(rt), resident(t)
	run(20_000)
	if got := javascript.RetainedValues(rt); got != values {
		t.Errorf("the isolate keeps %d values, %d calls later %d", values, 20_000, got)
	}
	// Each call that left one of its texts would leave 1 KiB.
	if got := resident(t); got > memory+12<<20 {
		t.Errorf("the process has grown from %d to %d KiB", memory>>10, got>>10)
	}
}

// A large mailbox is given back when its isolate is idle.
func TestMailboxShrinks(t *testing.T) {
	rt, err := javascript.LoadTimed(t.Context(), config(t, "(subject, payload) => payload"), patience, 5*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer rt.Close()
	small := javascript.MailboxBytes(rt)
	if got := reply(t, rt, strings.Repeat("x", 1<<20)); len(got) != 1<<20 {
		t.Errorf("the reply has %d bytes", len(got))
	}
	for end := time.Now().Add(patience); ; {
		time.Sleep(20 * time.Millisecond) // idle
		// The call makes what the isolate has done meanwhile visible here.
		if got := reply(t, rt, "x"); got != "x" {
			t.Errorf("the reply = %q", got)
		}
		if javascript.MailboxBytes(rt) == small {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the mailbox still has %d bytes, want %d", javascript.MailboxBytes(rt), small)
		}
	}
}
