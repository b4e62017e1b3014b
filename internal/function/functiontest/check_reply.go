package functiontest

import (
	"bytes"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/function"
)

func checkEcho(r *rig) {
	rt := r.load(Echo)
	var all []byte
	for b := range 256 {
		all = append(all, byte(b))
	}
	random := make([]byte, 8<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(random)
	for name, payload := range map[string][]byte{
		"text":                   []byte("hello, wörld"),
		"nothing":                {},
		"nil":                    nil,
		"one zero byte":          {0},
		"every byte":             all,
		"half a UTF-8 character": []byte("ab\xc3"),
		"1 MiB":                  random[:1<<20],
		"1 MiB and a byte":       random[1 : 1<<20+2],
		"8 MiB":                  random,
		"little after much":      []byte("x"),
	} {
		given := bytes.Clone(payload)
		got := r.call(rt, function.Call{Payload: given}).Payload
		if !bytes.Equal(got, payload) {
			r.Errorf("%s: the reply has %d bytes, %.40q…, want %d, %.40q…", name, len(got), got, len(payload), payload)
		}
		if !bytes.Equal(given, payload) {
			r.Errorf("%s: the call has changed its payload", name)
		}
	}
}

// The reply is the caller's: neither the payload's memory nor the next call touches it.
func checkResultIsTheCallers(r *rig) {
	rt := r.load(Echo)
	payload := []byte("the first call")
	first := r.call(rt, function.Call{Payload: payload}).Payload
	clear(payload)
	second := r.text(rt, "another, 2nd")
	if string(first) != "the first call" || second != "another, 2nd" {
		r.Errorf("the replies are %q and %q after both calls", first, second)
	}
}

func checkSubject(r *rig) {
	rt := r.load(Subjects)
	for _, subject := range []string{"a", "orders.eu.created", "größe.$x"} {
		got := r.call(rt, function.Call{Subject: subject, Payload: []byte("x")})
		if string(got.Payload) != subject {
			r.Errorf("the subject is %q inside, want %q", got.Payload, subject)
		}
	}
}

func checkHeaders(r *rig) {
	rt := r.load(Headers)
	want := function.Header{
		"Nex-Test":     {"one", "two"},
		"lower-case":   {"größe: 1, 2"},
		"Empty":        {""},
		"__proto__":    {"a name like any other"},
		"constructor":  {"x"},
		"Traceparent":  {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
		"Nats-Msg-Id":  {"7"},
		"X-Same-Twice": {"a", "a"},
	}
	got := r.call(rt, function.Call{Header: want})
	for name, values := range want {
		if !slices.Equal(got.Header[name], values) {
			r.Errorf("header %s = %q, want %q", name, got.Header[name], values)
		}
	}
	if len(got.Payload) != 0 {
		r.Errorf("the payload is %q, want none", got.Payload)
	}
	if got := r.call(rt, function.Call{}); len(got.Header) != 0 {
		r.Errorf("headers %q of a call before are left", got.Header)
	}
}

// The function has the environment that it is given and nothing of this process's.
func checkEnvironment(r *rig) {
	r.Setenv("NEX_TEST", "of the agent")
	for _, want := range []string{"", "value", "größe=1 \"2\"\n3"} {
		rt := r.load(Env, func(c *function.Config) {
			if want != "" {
				c.Environment["NEX_TEST"] = want
			}
		})
		if got := r.text(rt, ""); got != want {
			r.Errorf("NEX_TEST = %q, want %q", got, want)
		}
	}
}

func checkLargeResult(r *rig) {
	const most = 1 << 20
	rt := r.load(Large, func(c *function.Config) { c.MaxResultBytes = most })
	for _, size := range []int{0, 1, most} {
		if got := len(r.text(rt, strconv.Itoa(size))); got != size {
			r.Errorf("the reply has %d bytes, want %d", got, size)
		}
	}
	for _, size := range []int{most + 1, 8 << 20} {
		_, err := r.beginPayload(rt, strconv.Itoa(size)).wait()
		r.wantStatus(err, function.StatusTooLarge)
	}
	if got := len(r.text(rt, "7")); got != 7 {
		r.Errorf("after one that is too large a reply has %d bytes, want 7", got)
	}
}

func checkLog(r *rig) {
	rt := r.load(Log)
	want := []string{"hello, wörld", "{\"second\":\"line %d\"}"}
	for _, text := range want {
		r.call(rt, function.Call{Payload: []byte(text)})
	}
	r.wantPrinted(want)
}

// A line break ends a line also in the middle of what is printed at once.
func checkLogOfManyLines(r *rig) {
	r.call(r.load(Log), function.Call{Payload: []byte("one\ntwo\n\nfour")})
	r.wantPrinted([]string{"one", "two", "", "four"})
}

// wantPrinted checks that both streams have had the lines, in this order and at the right level.
func (r *rig) wantPrinted(want []string) {
	r.Helper()
	ctx, cancel := r.patient()
	defer cancel()
	for stream, level := range map[string]slog.Level{nex.StreamStdout: slog.LevelInfo, nex.StreamStderr: slog.LevelError} {
		lines := r.log.await(len(want), ctx.Done(), func(l function.LogLine) bool { return l.Stream == stream })
		var got []string
		for _, l := range lines {
			got = append(got, l.Text)
			if l.Level != level {
				r.Errorf("%s: the level of %q is %s, want %s", stream, l.Text, l.Level, level)
			}
		}
		if !slices.Equal(got, want) {
			r.Errorf("%s: the lines are %q, want %q", stream, got, want)
		}
	}
}
