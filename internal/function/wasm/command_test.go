package wasm_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/function"
)

const wasi = "wasi_snapshot_preview1"

// write is a module that writes its memory from 1024 on, so many bytes at once, to a stream so often.
// The memory has 17 pages.
func write(stream, size, times int32, text string) wat {
	iovec := concat([]byte{0}, constant(0), []byte{end}, sized(concat([]byte{0, 4, 0, 0}, le32(uint32(size)))))
	data := concat([]byte{0}, constant(1024), []byte{end}, sized([]byte(text)))
	return wat{
		imports: []imported{{module: wasi, name: "fd_write", index: 6}},
		memory:  []byte{0, 17},
		code: concat([]byte{loop, 0x40}, constant(stream), constant(0), constant(1), constant(8), []byte{callOp, 0, drop, localGet, 0},
			constant(1), []byte{i32Add, localTee, 0}, constant(times), []byte{i32Ne, brIf, 0, end}),
		sections: map[byte][]byte{11: concat([]byte{2}, iovec, data)},
	}
}

func le32(n uint32) []byte { return []byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)} }

// TestResultIsBounded: what is written beyond the bound takes no memory and ends the function.
func TestResultIsBounded(t *testing.T) {
	const most = 1 << 20
	exact := load(t, module(t, write(1, most/4, 4, "")), nil)
	result, err := call(exact, function.Call{})
	if err != nil || len(result.Payload) != most {
		t.Fatalf("a result of the size that it may have: %d bytes, %v", len(result.Payload), err)
	}
	for name, times := range map[string]int32{"a byte more": most + 1, "1 GiB": 1 << 30, "without end": -1} {
		size := int32(1)
		if times != most+1 {
			size, times = most, times>>20
		}
		rt := load(t, module(t, write(1, size, times, "")), nil)
		_, err := call(rt, function.Call{})
		if e := failure(t, err, function.StatusTooLarge); !strings.Contains(e.Message, "1048576") {
			t.Errorf("%s: %s", name, e.Message)
		}
	}
}

// exit is a module that calls proc_exit.
func exit(status int32) wat {
	return wat{
		imports: []imported{{module: wasi, name: "proc_exit", index: 4}},
		code:    concat(constant(status), []byte{callOp, 0, unreachable}),
	}
}

func TestExitStatus(t *testing.T) {
	if _, err := call(load(t, module(t, exit(0)), nil), function.Call{}); err != nil {
		t.Errorf("status 0: %v", err)
	}
	// The last two are what the engine itself uses for calls that it stops.
	for _, status := range []int32{1, 3, 255, -1, -1 << 28} {
		_, err := call(load(t, module(t, exit(status)), nil), function.Call{})
		e := failure(t, err, function.StatusFailed)
		if want := fmt.Sprintf("the function exited with status %d", status); e.Message != want {
			t.Errorf("the message = %q, want %q", e.Message, want)
		}
	}
}

// TestMemoryIsBounded: growing beyond the limit fails, and a function that fails for it is told so.
func TestMemoryIsBounded(t *testing.T) {
	grow := func(pages int32, want int32) []byte { // traps if memory.grow is not what is wanted
		return concat(constant(pages), []byte{memoryGrow, 0}, constant(want), []byte{i32Ne, 0x04, 0x40, unreachable, end})
	}
	with := func(memory []byte, code ...[]byte) string {
		return module(t, wat{memory: memory, code: concat(code...)})
	}
	const pages = 64 << 20 / (64 << 10)
	for name, path := range map[string]string{
		"to the limit":      with(nil, grow(pages-1, 1)),
		"beyond":            with(nil, grow(pages, -1), grow(pages-1, 1), grow(1, -1)),
		"to 4 GiB":          with(nil, grow(65535, -1), grow(1, 1)),
		"its own maximum":   with([]byte{1, 1, 3}, grow(3, -1), grow(2, 1), grow(1, -1)),
		"maximum of 0":      with([]byte{1, 0, 0}, grow(1, -1), grow(0, 0)),
		"by a huge number":  with(nil, grow(-1, -1), grow(1, 1)),
		"maximum of 4 GiB":  with(concat([]byte{1, 1}, number(1<<16)), grow(pages-1, 1)),
		"nothing, the same": with(nil, grow(0, 1)),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := call(load(t, path, nil), function.Call{}); err != nil {
				t.Error(err)
			}
		})
	}
	rt := load(t, with(nil, constant(pages), []byte{memoryGrow, 0, drop, unreachable}), nil)
	_, err := call(rt, function.Call{})
	e := failure(t, err, function.StatusFailed)
	if want := "the function trapped: unreachable, after it had asked for more memory than the 64 MiB it may have"; e.Message != want {
		t.Errorf("the message = %q, want %q", e.Message, want)
	}
}

// TestTableIsBounded: a table of gigabytes is not to be had, whatever its own maximum.
func TestTableIsBounded(t *testing.T) {
	grow := concat([]byte{0xd0, 0x70}, constant(1<<28), []byte{0xfc, 15, 0}, constant(-1), []byte{i32Ne, 0x04, 0x40, unreachable, end})
	for _, table := range [][]byte{{0x70, 0, 0}, concat([]byte{0x70, 1, 0}, number(1<<30))} {
		w := wat{code: grow, sections: map[byte][]byte{4: concat([]byte{1}, table)}}
		if _, err := call(load(t, module(t, w), nil), function.Call{}); err != nil {
			t.Error(err)
		}
	}
}

// TestMemoryIsNew: a call finds its memory as the module says, though it is another's before.
func TestMemoryIsNew(t *testing.T) {
	// Traps if a byte far up is not 0; then it sets it.
	const at, value = 100_000, 7
	code := concat(
		constant(40), []byte{memoryGrow, 0, drop},
		constant(at), []byte{0x2d, 0, 0, 0x04, 0x40, unreachable, end},
		constant(2_500_000), []byte{0x2d, 0, 0, 0x04, 0x40, unreachable, end},
		constant(at), constant(value), []byte{0x3a, 0, 0},
		constant(2_500_000), constant(value), []byte{0x3a, 0, 0},
	)
	for _, pages := range []byte{2, 20} {
		rt := load(t, module(t, wat{memory: []byte{0, pages}, code: code}), nil)
		for range 20 {
			if _, err := call(rt, function.Call{}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestStderr: what a command writes to standard error are lines of the log at level error, each once:
// the stack of the error is the trap's alone.
func TestStderr(t *testing.T) {
	long := strings.Repeat("ä", nex.MaxLogLine/2+10)
	var mu sync.Mutex
	var lines []function.LogLine
	text := "first\r\n\n" + long + "\nlast"
	w := write(2, int32(len(text)), 1, text)
	w.code = append(w.code, unreachable)
	rt := load(t, module(t, w), func(c *function.Config) {
		c.Log = func(l function.LogLine) {
			mu.Lock()
			defer mu.Unlock()
			lines = append(lines, l)
		}
	})
	for range 2 {
		_, err := call(rt, function.Call{})
		e := failure(t, err, function.StatusFailed)
		if !strings.HasPrefix(e.Stack, "    at ") || strings.Contains(e.Stack, "last") {
			t.Errorf("the stack = %.200q, want that of the trap alone", e.Stack)
		}
	}
	want := []string{"first", "", strings.Repeat("ä", nex.MaxLogLine/2), strings.Repeat("ä", 10), "last"}
	var got []string
	for _, l := range lines {
		got = append(got, l.Text)
		if l.Stream != nex.StreamStderr || l.Level != slog.LevelError {
			t.Errorf("stream %s, level %s", l.Stream, l.Level)
		}
	}
	if !slices.Equal(got, slices.Concat(want, want)) {
		t.Errorf("%d lines, %.300q, want %d, twice", len(got), got, len(want))
	}
}

// stopping are functions that do not end, by how they spend their time.
func stopping() map[string]wat {
	sleep := func() wat { // for 100 years
		subscription := make([]byte, 48)
		copy(subscription[24:], []byte{0, 0, 0x5c, 0xb2, 0xec, 0x2b, 0xcb, 0x2b})
		return wat{
			imports:  []imported{{module: wasi, name: "poll_oneoff", index: 6}},
			code:     concat(constant(0), constant(100), constant(1), constant(200), []byte{callOp, 0, drop}),
			sections: map[byte][]byte{11: concat([]byte{1, 0}, constant(0), []byte{end}, sized(subscription))},
		}
	}
	random := wat{ // gigabytes
		imports: []imported{{module: wasi, name: "random_get", index: 2}},
		memory:  concat([]byte{0}, number(1000)),
		code:    bytes.Repeat(concat(constant(0), constant(1000<<16), []byte{callOp, 0, drop}), 1000),
	}
	stderr := write(2, 1<<20, 0, strings.Repeat("line\n", 1<<14))
	fill := wat{ // without a loop
		memory: concat([]byte{0}, number(1000)),
		code:   bytes.Repeat(concat(constant(0), constant(1), constant(1000<<16), []byte{0xfc, 11, 0}), 400),
	}
	copies := wat{
		memory: concat([]byte{0}, number(1000)),
		code:   bytes.Repeat(concat(constant(0), constant(1), constant(999<<16), []byte{0xfc, 10, 0, 0}), 400),
	}
	return map[string]wat{
		"loop":      {code: []byte{loop, 0x40, br, 0, end}},
		"counting":  {code: []byte{loop, 0x40, localGet, 0, 0x41, 1, i32Add, localSet, 0, br, 0, end}},
		"calls":     chain(60),
		"sleep":     sleep(),
		"random":    random,
		"stderr":    stderr,
		"fill":      fill,
		"copy":      copies,
		"no memory": {memory: []byte{}, code: []byte{loop, 0x40, br, 0, end}},
	}
}

// chain is a module of functions without a loop: each calls the next one twice.
func chain(depth int) wat {
	functions, bodies := number(depth), number(depth)
	for i := range depth {
		body := []byte{0, end}
		if i+1 < depth {
			next := number(i + 1)
			body = concat([]byte{0, callOp}, next, []byte{callOp}, next, []byte{end})
		}
		functions = append(functions, 0)
		bodies = append(bodies, sized(body)...)
	}
	return wat{sections: map[byte][]byte{3: functions, 10: bodies}}
}

// TestStop: whatever a function does, it ends when its ctx does.
func TestStop(t *testing.T) {
	for name, w := range stopping() {
		t.Run(name, func(t *testing.T) {
			rt := load(t, module(t, w), func(c *function.Config) { c.Log = func(function.LogLine) {} })
			for _, test := range []struct {
				status int
				end    func(context.Context) (context.Context, context.CancelFunc)
			}{
				{function.StatusTimeout, func(ctx context.Context) (context.Context, context.CancelFunc) {
					return context.WithTimeout(ctx, 50*time.Millisecond)
				}},
				{function.StatusUnavailable, func(ctx context.Context) (context.Context, context.CancelFunc) {
					ctx, cancel := context.WithCancel(ctx)
					time.AfterFunc(50*time.Millisecond, cancel)
					return ctx, cancel
				}},
			} {
				ctx, cancel := test.end(context.Background())
				start := time.Now()
				_, err := rt.Call(ctx, function.Call{})
				took := time.Since(start)
				cancel()
				failure(t, err, test.status)
				if took > 3*function.StopWithin {
					t.Errorf("it took %s", took)
				}
			}
		})
	}
}

// TestStackOverflow: recursion without end is an error, not the end of the process.
func TestStackOverflow(t *testing.T) {
	w := wat{code: []byte{callOp, 0}}
	_, err := call(load(t, module(t, w), nil), function.Call{})
	if e := failure(t, err, function.StatusFailed); !strings.Contains(e.Message, "stack overflow") {
		t.Error(e.Message)
	}
}
