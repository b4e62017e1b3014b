//go:build cgo && linux && (amd64 || arm64)

package javascript_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/function"
	"github.com/nex-engine/nex/internal/hostapi"
)

// bothForms replaces the services of a source by the forms that wait and by the promises.
func bothForms(t *testing.T, source string, run func(t *testing.T, source string)) {
	t.Run("waiting", func(t *testing.T) { run(t, strings.ReplaceAll(source, "$", "this.hostServices")) })
	t.Run("promises", func(t *testing.T) { run(t, strings.ReplaceAll(source, "$", "await this.hostServices.promises")) })
}

// What each method asks of the node, and what it makes of the answer.
func TestHostServices(t *testing.T) {
	for _, c := range []struct {
		name, source string
		request      string // service, method, metadata, body
		answer       hostapi.Response
		want         string
	}{
		{"kv.get", "$.kv.get('k')", `kv get {"key":"k"} ""`, hostapi.Response{Body: []byte("va\xff")}, "Uint8Array 118,97,255"},
		{"kv.get of nothing", "$.kv.get('k')", `kv get {"key":"k"} ""`, hostapi.Response{}, "Uint8Array "},
		{"kv.set of bytes", "$.kv.set('k', Uint8Array.of(0, 255))", `kv set {"key":"k"} "\x00\xff"`, hostapi.Response{}, "undefined"},
		{"kv.set of part of a buffer", "$.kv.set('k', Uint8Array.of(1, 2, 3, 4).subarray(1, 3))", `kv set {"key":"k"} "\x02\x03"`, hostapi.Response{}, "undefined"},
		{"kv.set of a buffer", "$.kv.set('k', Uint8Array.of(1, 2).buffer)", `kv set {"key":"k"} "\x01\x02"`, hostapi.Response{}, "undefined"},
		{"kv.set of text", "$.kv.set('k', 'ä')", `kv set {"key":"k"} "ä"`, hostapi.Response{}, "undefined"},
		{"kv.set of JSON", "$.kv.set('k', {a: [1]})", `kv set {"key":"k"} "{\"a\":[1]}"`, hostapi.Response{}, "undefined"},
		{"kv.delete", "$.kv.delete('k')", `kv delete {"key":"k"} ""`, hostapi.Response{}, "undefined"},
		{"kv.keys", "$.kv.keys()", `kv keys  ""`, hostapi.Response{Meta: []byte(`{"keys":["a","b"]}`)}, `["a","b"]`},
		{"kv.keys of an empty bucket", "$.kv.keys()", `kv keys  ""`, hostapi.Response{Meta: []byte(`{}`)}, `[]`},

		{
			"objectStore.get", "$.objectStore.get('o')", `objectstore get {"name":"o"} ""`,
			hostapi.Response{Meta: []byte(`{"name":"o","size":2}`), Body: []byte("hi")},
			"Uint8Array 104,105",
		},
		{
			"objectStore.put", "$.objectStore.put('o', 'content')", `objectstore put {"name":"o"} "content"`,
			hostapi.Response{Meta: []byte(`{"name":"o","size":7}`)},
			`{"name":"o","size":7}`,
		},
		{"objectStore.delete", "$.objectStore.delete('o')", `objectstore delete {"name":"o"} ""`, hostapi.Response{}, "undefined"},
		{"objectStore.list", "$.objectStore.list()", `objectstore list  ""`, hostapi.Response{Meta: []byte(`{"objects":[{"name":"o"}]}`)}, `[{"name":"o"}]`},

		{
			"messaging.publish", "$.messaging.publish('a.b', 'x', {headers: {A: '1'}})",
			`messaging publish {"subject":"a.b","headers":{"A":["1"]}} "x"`,
			hostapi.Response{},
			"undefined",
		},
		{"messaging.publish of nothing", "$.messaging.publish('a.b')", `messaging publish {"subject":"a.b"} ""`, hostapi.Response{}, "undefined"},
		{
			"messaging.request", "$.messaging.request('a.b', Uint8Array.of(1), {timeout: 1500})",
			`messaging request {"subject":"a.b","timeout_ms":1500} "\x01"`,
			hostapi.Response{Meta: []byte(`{"subject":"_INBOX.1"}`), Body: []byte("r")},
			"Uint8Array 114",
		},
		{
			"messaging.requestMany", "$.messaging.requestMany('a.b', 'x', {timeout: 1, maxMessages: 3, stall: 5, sentinel: true})",
			`messaging request_many {"subject":"a.b","timeout_ms":1,"max_messages":3,"stall_ms":5,"sentinel":true} "x"`,
			hostapi.Response{
				Meta: []byte(`{"messages":[{"subject":"i1","size":2,"headers":{"A":["1"]}},{"subject":"i2","size":0},{"subject":"i3","size":1}]}`),
				Body: []byte("abc"),
			},
			`[{"subject":"i1","headers":{"A":["1"]},"data":{"0":97,"1":98}},{"subject":"i2","headers":{},"data":{}},{"subject":"i3","headers":{},"data":{"0":99}}]`,
		},

		{
			"http.get", "$.http.get('http://x/')", `http request {"method":"GET","url":"http://x/","headers":{}} ""`,
			hostapi.Response{Meta: []byte(`{"status":200,"headers":{"Content-Type":["text/plain"],"X":["1","2"]}}`), Body: []byte("hi")},
			`{"status":200,"headers":{"content-type":"text/plain","x":"1, 2"},"response":{"0":104,"1":105}}`,
		},
		{
			"http.get with options", "$.http.get('http://x/?a=1#h', {headers: {A: 'b'}, timeout: 10, query: {q: 'ä ', l: [1, 2]}})",
			`http request {"method":"GET","url":"http://x/?a=1&q=%C3%A4%20&l=1&l=2#h","headers":{"A":["b"]},"timeout_ms":10} ""`,
			hostapi.Response{Meta: []byte(`{"status":204}`)},
			`{"status":204,"headers":{},"response":{}}`,
		},
		{
			"http.post of JSON", "$.http.post('http://x/', {a: 1})",
			`http request {"method":"POST","url":"http://x/","headers":{"Content-Type":["application/json"]}} "{\"a\":1}"`,
			hostapi.Response{Meta: []byte(`{"status":201}`)},
			`{"status":201,"headers":{},"response":{}}`,
		},
		{
			"http.put of text", "$.http.put('http://x/', 'text', {headers: {'content-type': 'text/plain'}})",
			`http request {"method":"PUT","url":"http://x/","headers":{"content-type":["text/plain"]}} "text"`,
			hostapi.Response{Meta: []byte(`{"status":500}`)},
			`{"status":500,"headers":{},"response":{}}`,
		},
		{
			"http.del with a body", "$.http.del('http://x/', 'b')", `http request {"method":"DELETE","url":"http://x/","headers":{}} "b"`,
			hostapi.Response{Meta: []byte(`{"status":200}`)},
			`{"status":200,"headers":{},"response":{}}`,
		},
		{
			"http.request", "$.http.request('http://x/', {method: 'PURGE', body: 'b', headers: {a: '1'}})",
			`http request {"method":"PURGE","url":"http://x/","headers":{"a":["1"]}} "b"`,
			hostapi.Response{Meta: []byte(`{"status":200}`)},
			`{"status":200,"headers":{},"response":{}}`,
		},
		{
			"http's text and json", "((r) => [r.text(), r.json().a, Object.keys(r)])($.http.get('http://x/'))",
			`http request {"method":"GET","url":"http://x/","headers":{}} ""`,
			hostapi.Response{Meta: []byte(`{"status":200}`), Body: []byte(`{"a":"ä"}`)},
			`["{\"a\":\"ä\"}","ä",["status","headers","response"]]`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			bothForms(t, c.source, func(t *testing.T, expression string) {
				var asked string
				host := hostStub(func(_ context.Context, r hostapi.Request) (hostapi.Response, error) {
					asked = fmt.Sprintf("%s %s %s %q", r.Service, r.Method, r.Meta, r.Body)
					return c.answer, nil
				})
				rt := load(t, `const show = (v) => v instanceof Uint8Array ? 'Uint8Array ' + v : String(JSON.stringify(v));
					async () => show(`+expression+`)`, func(c *function.Config) { c.Host = host })
				if got := reply(t, rt, ""); got != c.want {
					t.Errorf("the value is\n%s, want\n%s", got, c.want)
				}
				if asked != c.request {
					t.Errorf("the request is\n%s, want\n%s", asked, c.request)
				}
			})
		})
	}
}

// Failures are exceptions of a class of their own, with the node's code; what is missing is null.
func TestHostServiceErrors(t *testing.T) {
	host := hostStub(func(_ context.Context, r hostapi.Request) (hostapi.Response, error) {
		var key hostapi.KeyRequest
		if err := json.Unmarshal(r.Meta, &key); err != nil {
			return hostapi.Response{}, err
		}
		if key.Key == "internal" {
			return hostapi.Response{}, context.Canceled
		}
		return hostapi.Response{}, hostapi.Errorf(hostapi.Code(key.Key), "no luck with ä")
	})
	for _, c := range []struct{ source, want string }{
		{"$.kv.get('denied')", "true HostServiceError denied no luck with ä"},
		{"$.kv.set('too_large', 'x')", "true HostServiceError too_large no luck with ä"},
		{"$.kv.set('not_found', 'x')", "true HostServiceError not_found no luck with ä"},
		{"$.kv.get('internal')", "true HostServiceError internal context canceled"},
		{"$.kv.get('not_found')", "null"},
		{"$.kv.get(5)", "false TypeError undefined the key must be a string"},
		{"$.kv.set('k', Symbol())", "false TypeError undefined the value must be bytes, a string, or something that JSON can carry"},
		{"$.objectStore.get()", "false TypeError undefined the name of the object must be a string"},
		{"$.messaging.publish(null)", "false TypeError undefined the subject must be a string"},
		{"$.messaging.publish('s', 'x', {headers: 5})", "false TypeError undefined headers must be an object of names and values"},
		{"$.messaging.request('s', 'x', {timeout: 'long'})", "false TypeError undefined timeout must be a number of milliseconds above 0"},
		{"$.messaging.request('s', 'x', 5)", "false TypeError undefined the options must be an object"},
		{"$.messaging.requestMany('s', 'x', {maxMessages: 0})", "false TypeError undefined maxMessages must be a number above 0"},
		{"$.http.get({})", "false TypeError undefined the URL must be a string"},
	} {
		bothForms(t, c.source, func(t *testing.T, expression string) {
			rt := load(t, `async () => { try { return String(`+expression+`) } catch (e) {
				return [e instanceof HostServiceError, e.name, e.code, e.message].map(String).join(' ') } }`, func(c *function.Config) { c.Host = host })
			if got := reply(t, rt, ""); got != c.want {
				t.Errorf("%s = %q, want %q", expression, got, c.want)
			}
		})
	}

	// One that nobody catches is the call's error.
	rt := load(t, "() => hostServices.kv.get('denied')", func(c *function.Config) { c.Host = host })
	_, err := call(t, rt, "")
	e := refused(t, err, function.StatusFailed, "HostServiceError: no luck with ä")
	if !strings.HasSuffix(e.Stack, "\n    at echo.js:1:23") || strings.Contains(e.Stack, "nex:") {
		t.Errorf("the stack = %q", e.Stack)
	}
}

// Large values go both ways, whatever the size of the mailbox.
func TestHostServicesWithLargeValues(t *testing.T) {
	var stored []byte
	host := hostStub(func(_ context.Context, r hostapi.Request) (hostapi.Response, error) {
		if r.Method == "set" {
			stored = r.Body
		}
		return hostapi.Response{Meta: []byte(`{"a":1}`), Body: stored}, nil
	})
	bothForms(t, "($.kv.set('k', payload), $.kv.get('k'))", func(t *testing.T, expression string) {
		rt := load(t, "async (subject, payload) => "+expression, func(c *function.Config) { c.Host = host })
		for _, n := range []int{0, 1, 60 << 10, 64 << 10, 1 << 20, 7 << 20, 10} {
			want := bytes.Repeat([]byte("0123456789\x00"), n/11+1)[:n]
			if got := reply(t, rt, string(want)); got != string(want) {
				t.Errorf("%d bytes come back as %d others", n, len(got))
			}
		}
	})
}

// Requests that are promises are under way at the same time, and answered in any order.
func TestHostServicesAtTheSameTime(t *testing.T) {
	var group sync.WaitGroup
	group.Add(50)
	host := hostStub(func(_ context.Context, r hostapi.Request) (hostapi.Response, error) {
		group.Done()
		group.Wait()
		return hostapi.Response{Body: r.Body}, nil
	})
	rt := load(t, `async () => {
		const all = [];
		for (let i = 0; i < 50; i++) all.push(hostServices.promises.messaging.request('s', String(i)));
		return (await Promise.all(all)).map((b) => String.fromCharCode(...b)).join();
	}`, func(c *function.Config) { c.Host = host })
	var want []string
	for i := range 50 {
		want = append(want, fmt.Sprint(i))
	}
	if got := reply(t, rt, ""); got != strings.Join(want, ",") {
		t.Errorf("the reply = %q", got)
	}
}

func TestTooManyRequests(t *testing.T) {
	host := hostStub(func(ctx context.Context, _ hostapi.Request) (hostapi.Response, error) {
		<-ctx.Done()
		return hostapi.Response{}, hostapi.Errorf(hostapi.CodeTimeout, "over")
	})
	rt := load(t, `async () => {
		for (let i = 0; i < 256; i++) hostServices.promises.kv.get('k');
		try { await hostServices.promises.kv.get('k') } catch (e) { return e.code }
	}`, func(c *function.Config) { c.Host = host })
	for range 2 {
		if got := reply(t, rt, ""); got != "busy" {
			t.Errorf("the 257th request fails with %q, want busy", got)
		}
	}
}

// What is under way when a call ends is cancelled, and nothing of it reaches the next one.
func TestRequestsEndWithTheirCall(t *testing.T) {
	var mu sync.Mutex
	open := 0
	count := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		open += n
		return open
	}
	host := hostStub(func(ctx context.Context, r hostapi.Request) (hostapi.Response, error) {
		if strings.Contains(string(r.Meta), "fast") {
			return hostapi.Response{Body: []byte("fast")}, nil
		}
		count(1)
		defer count(-1)
		<-ctx.Done()
		return hostapi.Response{}, hostapi.Errorf(hostapi.CodeTimeout, "over")
	})
	for name, source := range map[string]string{
		"left behind": `let seen = ''; async (subject, payload) => {
			if (payload.length > 0) return seen + String.fromCharCode(...await hostServices.promises.kv.get('fast'));
			hostServices.promises.kv.get('slow').then(() => { seen += 'late ' }, () => { seen += 'late ' });
			setTimeout(() => { seen += 'late ' }, 0);
		}`,
		"awaited":     "async (subject, payload) => hostServices.promises.kv.get(payload.length > 0 ? 'fast' : 'slow')",
		"waiting":     "(subject, payload) => hostServices.kv.get(payload.length > 0 ? 'fast' : 'slow')",
		"waiting for": "(subject, payload) => { for (;;) try { return hostServices.kv.get(payload.length > 0 ? 'fast' : 'slow') } catch {} }",
	} {
		t.Run(name, func(t *testing.T) {
			rt := load(t, source, func(c *function.Config) { c.Host = host })
			for range 3 {
				_, err := callWithin(t, rt, 50*time.Millisecond, function.Call{})
				if name != "left behind" {
					refused(t, err, function.StatusTimeout, "")
				} else if err != nil {
					t.Error(describe(err))
				}
				if n := count(0); n != 0 {
					t.Errorf("%d requests are under way after their call", n)
				}
				if got := reply(t, rt, "x"); got != "fast" {
					t.Errorf("the next reply = %q", got)
				}
			}
		})
	}
}
