package wasm_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/function"
	"github.com/nex-engine/nex/internal/hostapi"
)

// The functions of the module nex that take pointers, with the types of wat.
var pointers = []imported{
	{module: "nex", name: "subject", index: 2},
	{module: "nex", name: "payload", index: 2},
	{module: "nex", name: "headers", index: 2},
	{module: "nex", name: "id", index: 2},
	{module: "nex", name: "response_meta", index: 2},
	{module: "nex", name: "response_body", index: 2},
	{module: "nex", name: "reply", index: 3},
	{module: "nex", name: "fail", index: 5},
	{module: "nex", name: "log", index: 5},
	{module: "nex", name: "request", index: 7},
}

// calling is a command that calls an imported function once and drops what it returns.
func calling(i imported, arguments ...int32) wat {
	var code []byte
	for _, a := range arguments {
		code = append(code, constant(a)...)
	}
	code = append(code, callOp, 0)
	if i.index == 2 || i.index == 7 || i.index == 6 {
		code = append(code, drop)
	}
	return wat{imports: []imported{i}, code: code}
}

// TestBadPointers: what does not lie in the guest's memory ends the call with a sentence.
func TestBadPointers(t *testing.T) {
	for _, i := range pointers {
		for _, p := range []struct{ at, length int32 }{{65536, 1}, {65535, 2}, {-1, 1}, {0, -1}, {-1, -1}, {1, math.MaxInt32}} {
			arguments := []int32{p.at, p.length}
			switch i.index {
			case 2:
				if p.length == -1 || p.length == math.MaxInt32 || p.length == 2 {
					continue // room for more than there is is no mistake
				}
			case 5:
				arguments = append([]int32{500}, arguments...)
			case 7:
				arguments = append([]int32{0, 2, 2, 3, 5, 0}, arguments...)
			}
			rt := load(t, module(t, calling(i, arguments...)), nil)
			_, err := call(rt, function.Call{
				ID: "id", Subject: "subject", Payload: []byte("payload"), Header: function.Header{"a": {"b"}},
			})
			if i.name == "response_meta" || i.name == "response_body" {
				if err != nil && p.length != 1 {
					t.Errorf("%s(%d): %v", i.name, arguments, err)
				}
				continue // there is no answer to copy
			}
			e := failure(t, err, function.StatusFailed)
			if !strings.Contains(e.Message, "nex."+i.name+":") || !strings.Contains(e.Message, "memory of 65536 bytes") {
				t.Errorf("%s(%d): the message = %q", i.name, arguments, e.Message)
			}
		}
	}
}

// textModule has a text in its memory from 0 on.
func textModule(w wat, text string) wat {
	w.sections = map[byte][]byte{11: concat([]byte{1, 0}, constant(0), []byte{end}, sized([]byte(text)))}
	return w
}

// TestFail: the status and the message are the function's, as far as they are good for an answer.
func TestFail(t *testing.T) {
	fail := imported{module: "nex", name: "fail", index: 5}
	for name, test := range map[string]struct {
		status     int32
		text       string
		wantStatus int
		want       string
	}{
		"as it is":      {404, "no such order", 404, "no such order"},
		"lowest":        {400, "x", 400, "x"},
		"highest":       {599, "x", 599, "x"},
		"no failure":    {200, "x", 500, "x"},
		"too high":      {600, "x", 500, "x"},
		"negative":      {-404, "x", 500, "x"},
		"several lines": {500, " a\nb\r\n\x00c ", 500, "a b   c"},
		"not UTF-8":     {500, "a\xffb", 500, "a?b"},
		"nothing":       {500, "", 500, "the function failed and did not say why"},
		"long":          {500, strings.Repeat("ä", 5000), 500, strings.Repeat("ä", 510) + "…"},
	} {
		t.Run(name, func(t *testing.T) {
			rt := load(t, module(t, textModule(calling(fail, test.status, 0, int32(len(test.text))), test.text)), nil)
			_, err := call(rt, function.Call{})
			if e := failure(t, err, test.wantStatus); e.Message != test.want {
				t.Errorf("the message = %q, want %q", e.Message, test.want)
			}
		})
	}
}

// TestReplyHeader: headers that would be something else on the wire are not sent.
func TestReplyHeader(t *testing.T) {
	header := imported{module: "nex", name: "reply_header", index: 0, kind: []byte{0, 8}}
	types := append([]byte{9}, append(wasmTypes[1:], 0x60, 4, 0x7f, 0x7f, 0x7f, 0x7f, 0)...)
	run := func(name, value string) (function.Result, error) {
		w := calling(header, 0, int32(len(name)), int32(len(name)), int32(len(value)))
		w = textModule(w, name+value)
		w.memory, w.sections[1] = []byte{0, 3}, types
		return call(load(t, module(t, w), nil), function.Call{})
	}
	for name, value := range map[string]string{"A": "", "x-y_z.1": "tab\tand größe", "__proto__": "1"} {
		result, err := run(name, value)
		if err != nil || len(result.Header[name]) != 1 || result.Header[name][0] != value {
			t.Errorf("%q: %q = %q, %v", name, value, result.Header, err)
		}
	}
	for _, bad := range [][2]string{
		{"", "x"},
		{"a b", "x"},
		{"a:b", "x"},
		{"a\r\nb", "x"},
		{"ä", "x"},
		{"a", "x\r\nb: c"},
		{"a", "\x00"},
		{"a", "\x7f"},
		{"a", strings.Repeat("x", 64<<10)},
	} {
		_, err := run(bad[0], bad[1])
		if e := failure(t, err, function.StatusFailed); !strings.Contains(e.Message, "nex.reply_header") {
			t.Errorf("%.20q: %.20q: %s", bad[0], bad[1], e.Message)
		}
	}
}

// TestRequest: what the host is asked, and that it is not asked what makes no sense.
func TestRequest(t *testing.T) {
	asked := false
	for name, test := range map[string]struct {
		service, method, meta string
		body                  int32
		want                  bool
	}{
		"good":         {"kv", "get", `{"key":"a"}`, 3, true},
		"no metadata":  {"kv", "keys", "", 0, true},
		"bad metadata": {"kv", "get", "{", 0, false},
		"long service": {strings.Repeat("x", 65), "get", "", 0, false},
		"long method":  {"kv", strings.Repeat("x", 65), "", 0, false},
		"large body":   {"kv", "set", "", hostapi.MaxMessageBytes + 1, false},
	} {
		asked = false
		s, m, e := int32(len(test.service)), int32(len(test.method)), int32(len(test.meta))
		w := calling(pointers[len(pointers)-1], 0, s, s, m, s+m, e, s+m+e, test.body)
		w = textModule(w, test.service+test.method+test.meta)
		w.memory = concat([]byte{0}, number(200))
		rt := load(t, module(t, w), func(c *function.Config) {
			c.Host = hostFunc(func(r hostapi.Request) (hostapi.Response, error) {
				asked = true
				if r.Service != test.service || r.Method != test.method || string(r.Meta) != test.meta || len(r.Body) != int(test.body) {
					t.Errorf("%s: the host is asked %q %q %q and %d bytes", name, r.Service, r.Method, r.Meta, len(r.Body))
				}
				return hostapi.Response{}, errors.New("an error that is no hostapi.Error")
			})
		})
		if _, err := call(rt, function.Call{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if asked != test.want {
			t.Errorf("%s: the host is asked: %t, want %t", name, asked, test.want)
		}
	}
}

type hostFunc func(hostapi.Request) (hostapi.Response, error)

func (f hostFunc) Request(_ context.Context, r hostapi.Request) (hostapi.Response, error) {
	return f(r)
}

// TestInitializeHasNoMessage: what is for messages does not work before there is one.
func TestInitializeHasNoMessage(t *testing.T) {
	for _, i := range pointers {
		if i.name != "request" && i.name != "reply" && i.name != "fail" {
			continue
		}
		arguments := map[string]int{"request": 8, "reply": 2, "fail": 3}[i.name]
		w := reactor(calling(i, make([]int32, arguments)...), nil)
		if message := refused(t, module(t, w), nil); !strings.Contains(message, "nex."+i.name) {
			t.Errorf("%s: %s", i.name, message)
		}
	}
}

// TestReactorKeepsItsInstance, and gets a new one after whatever has gone wrong.
func TestReactorKeepsItsInstance(t *testing.T) {
	// The handler counts in its memory and returns the count; it fails as the payload's length says.
	count := concat(constant(0), constant(0), []byte{0x28, 2, 0}, constant(1), []byte{i32Add, localTee, 0, 0x36, 2, 0})
	size := []byte{0x41, 0, 0x41, 0, callOp, 0, localSet, 1} // of the payload
	when := func(n int32, code ...byte) []byte {
		return concat([]byte{localGet, 1}, constant(n), []byte{0x46, 0x04, 0x40}, code, []byte{end})
	}
	w := reactor(wat{
		imports: []imported{{module: "nex", name: "payload", index: 2}, {module: wasi, name: "proc_exit", index: 4}},
	}, concat(count, size,
		when(1, unreachable),
		when(2, concat(constant(0), []byte{callOp, 1})...),
		when(3, loop, 0x40, br, 0, end),
		when(4, concat(constant(600), []byte{memoryGrow, 0, drop})...), // more than half
		[]byte{localGet, 0},
	))
	rt := load(t, module(t, w), nil)
	expect := func(payload int, want string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if payload == 3 {
			ctx, cancel = context.WithTimeout(ctx, 50*time.Millisecond)
			defer cancel()
		}
		_, err := rt.Call(ctx, function.Call{Payload: make([]byte, payload)})
		if err == nil || err.Error() != want {
			t.Errorf("%d: %v, want %s", payload, err, want)
		}
	}
	first, second := "the function returned 1, which means that it failed", "the function returned 2, which means that it failed"
	expect(0, first)
	expect(0, second)
	expect(1, "the function trapped: unreachable")
	expect(0, first)
	expect(2, "the function exited with status 0")
	expect(0, first)
	expect(3, "the function did not end before its deadline and was stopped")
	expect(0, first)
	expect(4, second)
	expect(0, first)
}

// FuzzGuest: whatever a guest hands over, the host stays well, and so does the next call.
func FuzzGuest(f *testing.F) {
	f.Add(byte(6), uint32(0), uint32(10), []byte("reply text"))
	f.Add(byte(9), uint32(2), uint32(3), []byte(`kvget{"key":"a"}`))
	f.Fuzz(func(t *testing.T, which byte, a, b uint32, text []byte) {
		i := pointers[int(which)%len(pointers)]
		arguments := []int32{int32(a), int32(b)}
		switch i.index {
		case 5:
			arguments = append([]int32{int32(len(text)) * 7}, arguments...)
		case 7:
			arguments = []int32{0, 2, 2, 3, 5, int32(min(len(text), 60_000)) - 5, int32(a), int32(b)}
		}
		rt := load(t, module(t, textModule(calling(i, arguments...), string(text[:min(len(text), 60_000)]))), func(c *function.Config) {
			c.Log = func(function.LogLine) {}
		})
		for range 2 {
			_, err := call(rt, function.Call{ID: "id", Subject: "s", Payload: text, Header: function.Header{"a": {"b", ""}}})
			if err == nil {
				continue
			}
			e, ok := errors.AsType[*function.Error](err)
			if !ok || e.Status < 400 || e.Status > 599 || e.Message == "" || strings.ContainsAny(e.Message, "\r\n") {
				t.Errorf("the error is %T %q", err, err)
			}
		}
	})
}
