package hostservice_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/nex-engine/nex/internal/hostapi"
	"github.com/nex-engine/nex/internal/hostservice"
)

// natsKey is what NATS takes for a key, besides its rule about dots.
var natsKey = regexp.MustCompile(`\A[-/_=.a-zA-Z0-9]+\z`)

func FuzzKey(f *testing.F) {
	for _, s := range []string{"", "a", "a.b", ".a", "a.", "a..b", "a b", "*", ">", "a/b=c_d-e", "ä", "a\n", strings.Repeat("a", 1025)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, key string) {
		want := len(key) <= hostapi.MaxKeyBytes && natsKey.MatchString(key) && !strings.Contains("."+key+".", "..")
		err := hostservice.CheckKey(key)
		if (err == nil) != want {
			t.Errorf("key %q: %v", key, err)
		}
		sentence(t, err, hostapi.CodeInvalid)
	})
}

func FuzzSubject(f *testing.F) {
	for _, s := range []string{"a", "a.b", "", ".", "a..b", "a.*", ">", "a b", "$JS.API", "a\r\nPUB b 0", "ä", "a*b", strings.Repeat("a", 1025)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, subject string) {
		err := hostservice.CheckSubject(subject)
		sentence(t, err, hostapi.CodeInvalid)
		if err != nil {
			return
		}
		if !server.IsValidLiteralSubject(subject) || strings.ContainsAny(subject, " \t\r\n\x00*>") || len(subject) > 1024 {
			t.Errorf("%q is taken for a subject", subject)
		}
	})
}

// A subject is denied when the server would deliver it to a subscription of what is denied.
func FuzzDenied(f *testing.F) {
	f.Add("$JS.>", "$JS.API.INFO")
	f.Add("$JS.>", "$JS")
	f.Add("a.*.c", "a.b.c")
	f.Add("a.*.c", "a.b.c.d")
	f.Add("*", "a")
	f.Add(">", "a.b")
	f.Fuzz(func(t *testing.T, entry, subject string) {
		denied, ok := hostservice.Denies(entry, subject)
		if !ok || hostservice.CheckSubject(subject) != nil || !server.IsValidSubject(entry) {
			return
		}
		if want := server.SubjectsCollide(entry, subject); denied != want {
			t.Errorf("%q denies %q: %t", entry, subject, denied)
		}
	})
}

func FuzzMetadata(f *testing.F) {
	for _, s := range []string{
		"", "{}", "null", "[]", `{"key":"a"}`, `{"name":"a"}`, `{"subject":"a","headers":{"a":["b"]},"timeout_ms":1}`,
		`{"subject":"a","max_messages":1,"stall_ms":1,"sentinel":true}`, `{"method":"GET","url":"http://a","redirect":"follow"}`, `{"x":1}`, `{} {}`, "{\"key\":\"\xff\"}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, meta []byte) {
		for _, err := range hostservice.Decode(meta) {
			sentence(t, err, hostapi.CodeInvalid)
			if err == nil && !json.Valid(meta) {
				t.Errorf("metadata %q is decoded", meta)
			}
		}
	})
}

// What goes over the wire is one request that reads back as what was asked for, with no header that
// was not.
func FuzzHTTPRequest(f *testing.F) {
	for _, s := range []string{
		`{"url":"http://a/b?c=d%20e&&"}`, `{"method":"POST","url":"https://a:8443","headers":{"a":["b","c"],"Host":["a:8443"]}}`,
		`{"url":"http://u:p@a"}`, `{"url":"http://a\r\n/"}`, `{"url":"http://a/?b c"}`, `{"url":"http://a/","headers":{"a\r\nb":["c"]}}`,
		`{"url":"http://a/","headers":{"Connection":["close, x"],"X":["1"],"Transfer-Encoding":["chunked"],"Content-Length":["9"]}}`,
		`{"url":"http://[::1%25lo]:80/"}`, `{"url":"http://a/%2F\"é?é"}`, `{"url":"http://a/%zz"}`, `{"url":"http:a"}`, `{"url":"http://a#b","redirect":"manual","timeout_ms":1}`,
	} {
		f.Add([]byte(s), []byte("body"))
	}
	f.Fuzz(func(t *testing.T, meta, body []byte) {
		req, err := hostservice.NewHTTPRequest(meta, body)
		if err != nil {
			sentence(t, err, err.Code)
			if err.Code != hostapi.CodeInvalid && err.Code != hostapi.CodeTooLarge {
				t.Errorf("%s: %v (%s)", meta, err, err.Code)
			}
			return
		}
		var v hostapi.HTTPRequest
		if err := json.Unmarshal(meta, &v); err != nil {
			t.Fatal(err)
		}
		_, query, _ := strings.Cut(v.URL, "?")
		if query, _, _ = strings.Cut(query, "#"); !strings.Contains(strings.SplitN(v.URL, "?", 2)[0], "#") && req.URL.RawQuery != encoded(query) {
			t.Errorf("%s: query %q", meta, req.URL.RawQuery)
		}
		var wire bytes.Buffer
		if err := req.Write(&wire); err != nil {
			return // refused by the client
		}
		lines := bufio.NewReader(&wire)
		got, failed := http.ReadRequest(lines)
		if failed != nil {
			if strings.Contains(failed.Error(), "invalid URI") || strings.Contains(failed.Error(), "parse") || strings.Contains(failed.Error(), "malformed Host") {
				return // one request nevertheless
			}
			t.Fatalf("%s: the request does not read back: %v", meta, failed)
		}
		if got.Method != req.Method || got.RequestURI != req.URL.RequestURI() {
			t.Errorf("%s: reads back as %s %q", meta, got.Method, got.RequestURI)
		}
		for name := range got.Header {
			if _, ok := req.Header[name]; !ok && name != "Content-Length" {
				t.Errorf("%s: the header %q was not asked for", meta, name)
			}
		}
	})
}

// encoded is a query as it is sent.
func encoded(query string) string {
	var b strings.Builder
	for i := range len(query) {
		if query[i] < 0x80 {
			b.WriteByte(query[i])
		} else {
			fmt.Fprintf(&b, "%%%02X", query[i])
		}
	}
	return b.String()
}

// sentence checks that an error, if it is one, has a code and is one line of sensible length.
func sentence(t *testing.T, err *hostapi.Error, code hostapi.Code) {
	t.Helper()
	if err == nil {
		return
	}
	if err.Code != code || err.Message == "" || len(err.Message) > 600 || strings.ContainsAny(err.Message, "\r\n") {
		t.Errorf("error %q with code %s", err.Message, err.Code)
	}
}
