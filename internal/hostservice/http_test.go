package hostservice_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	neturl "net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/hostapi"
	"github.com/nex-engine/nex/internal/hostservice"
)

// webDesk is a desk that may call this machine, and an edit of its configuration.
func webDesk(t testing.TB, edit ...func(*hostservice.Config)) *hostservice.Desk {
	t.Helper()
	local := func(c *hostservice.Config) {
		c.Services.HTTP.Config.Allow = []string{"127.0.0.1"}
		c.Services.HTTP.Config.TimeoutMs = int(enough.Milliseconds())
	}
	return newRig(t, append([]func(*hostservice.Config){local}, edit...)...).Desk
}

// serveHTTP runs a web server until the test ends and returns its address without a slash at the end.
func serveHTTP(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}

func get(url string) hostapi.HTTPRequest { return hostapi.HTTPRequest{Method: "GET", URL: url} }

func TestHTTP(t *testing.T) {
	d := webDesk(t)
	type seen struct {
		method, uri, body string
		header            http.Header
		length            int64
	}
	requests := make(chan seen, 1)
	url := serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		requests <- seen{r.Method, r.RequestURI, string(body), r.Header, r.ContentLength}
		w.Header()["X-Many"] = []string{"a", "b, c"}
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2; Expires=Thu, 01 Jan 1970 00:00:00 GMT")
		w.Header().Set("Keep-Alive", "timeout=5")
		w.Header().Set("Connection", "X-Hop")
		w.Header().Set("X-Hop", "1")
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "\x00answer")
	})
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "PROPFIND", "x-own"} {
		const path = "/a%2Fb/../c;d?q=a+b%20c&&=&x=%zz&y='\"<>{}|ä#fragment"
		res := must(t, d, "http", "request", hostapi.HTTPRequest{Method: method, URL: url + path, Headers: map[string][]string{
			"x-one": {"1", "2"}, "X-ONE": {"3"}, "Content-Type": {"text/plain"}, "Connection": {"close, X-Gone"}, "X-Gone": {"1"},
			"Transfer-Encoding": {"chunked"}, "Upgrade": {"h2c"}, "Te": {"trailers"}, "Content-Length": {"999"}, "Keep-Alive": {"1"},
			"Host": {strings.TrimPrefix(url, "http://")},
		}}, "\x00body")
		req := <-requests
		if req.method != method || req.body != "\x00body" || req.length != 5 {
			t.Errorf("%s: the server sees %s %q, %d bytes", method, req.method, req.body, req.length)
		}
		if want := "/a%2Fb/../c;d?q=a+b%20c&&=&x=%zz&y='\"<>{}|%C3%A4"; req.uri != want {
			t.Errorf("%s: the server sees %q, want %q", method, req.uri, want)
		}
		one := slices.Sorted(slices.Values(req.header["X-One"]))
		if !slices.Equal(one, []string{"1", "2", "3"}) || req.header.Get("Content-Type") != "text/plain" {
			t.Errorf("%s: the server sees headers %v", method, req.header)
		}
		for _, name := range []string{"Connection", "X-Gone", "Transfer-Encoding", "Upgrade", "Te", "Keep-Alive", "Referer"} {
			if _, ok := req.header[name]; ok {
				t.Errorf("%s: the server sees the header %s", method, name)
			}
		}
		if ua := req.header.Get("User-Agent"); !strings.HasPrefix(ua, "nex/") {
			t.Errorf("%s: user agent %q", method, ua)
		}
		got := answer[hostapi.HTTPResponse](t, res)
		if got.Status != 418 || got.StatusText != "I'm a teapot" || got.Redirected || !strings.HasPrefix(got.URL, url+"/a%2Fb/") {
			t.Errorf("%s: %+v", method, got)
		}
		if len(got.Headers["Set-Cookie"]) != 2 || !slices.Equal(got.Headers["X-Many"], []string{"a", "b, c"}) {
			t.Errorf("%s: headers %v", method, got.Headers)
		}
		for _, name := range []string{"Keep-Alive", "Connection", "X-Hop"} {
			if _, ok := got.Headers[name]; ok {
				t.Errorf("%s: the function sees the header %s", method, name)
			}
		}
		if want := "\x00answer"; method != "HEAD" && string(res.Body) != want {
			t.Errorf("%s: body %q", method, res.Body)
		}
	}
}

// Only what cannot be sent as it is written is encoded, also where a server redirects to.
func TestHTTPEncodes(t *testing.T) {
	d := webDesk(t)
	url := serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		if to := r.FormValue("to"); to != "" {
			w.Header()["Location"] = []string{to}
			w.WriteHeader(http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, r.RequestURI)
	})
	for written, sent := range map[string]string{
		"/?y=é":                "/?y=%C3%A9",
		"/é?x":                 "/%C3%A9?x",
		"/a%2Fé%2f!$&'()*+,;=": "/a%2F%C3%A9%2f!$&'()*+,;=",
		"/a%2F\"b c\"?d=\"":    "/a%2F%22b%20c%22?d=\"",
		"/😀?%F0%9f%98%80=😀":    "/%F0%9F%98%80?%F0%9f%98%80=%F0%9F%98%80",
		"/%c3%a9/~?%c3%a9":     "/%c3%a9/~?%c3%a9",
		"/?":                   "/?",
		"?é":                   "/?%C3%A9",
	} {
		if res := must(t, d, "http", "request", get(url+written), ""); string(res.Body) != sent {
			t.Errorf("%q is sent as %q, want %q", written, res.Body, sent)
		}
	}
	to := url + "/?to=" + neturl.QueryEscape("/é?y=é&z=%zz")
	if res := must(t, d, "http", "request", get(to), ""); string(res.Body) != "/%C3%A9?y=%C3%A9&z=%zz" {
		t.Errorf("after a redirect %q is sent", res.Body)
	}
}

func TestHTTPRefused(t *testing.T) {
	d := webDesk(t)
	url := serveHTTP(t, func(http.ResponseWriter, *http.Request) { t.Error("the server is called") })
	for _, v := range []hostapi.HTTPRequest{
		get(""), get("/path"), get("//127.0.0.1/"), get("http:"), get("http://"), get("http:///x"), get("http://:80/"), get("http:127.0.0.1"),
		get("ftp://127.0.0.1/"), get("file:///etc/passwd"), get("unix:///run/x"), get("javascript:1"),
		get("http://user@127.0.0.1/"), get("http://user:pw@127.0.0.1/"), get("http://@127.0.0.1/"),
		get("http://127.0.0.1:0/"), get("http://127.0.0.1:65536/"), get("http://127.0.0.1:x/"), get("http://127.0.0.1:-1/"),
		get(url + "/\r\nX: 1"), get(url + "/?a b"), get("http://127.0.0.1 /"), get("http://１２７.0.0.1/"), get("http://[::1/"),
		get("http://127.0.0.1%00/"), get("http://a%0d%0ab/"), get(url + "/" + strings.Repeat("x", 17<<10)),
		{Method: "GE T", URL: url},
		{Method: "GET\r\n", URL: url},
		{Method: "CONNECT", URL: url},
		{Method: "GET", URL: url, TimeoutMs: -1},
		{Method: "GET", URL: url, Redirect: "maybe"},
		{Method: "GET", URL: url, Headers: map[string][]string{"": {"1"}}},
		{Method: "GET", URL: url, Headers: map[string][]string{"a b": {"1"}}},
		{Method: "GET", URL: url, Headers: map[string][]string{"a:": {"1"}}},
		{Method: "GET", URL: url, Headers: map[string][]string{"a\r\nb": {"1"}}},
		{Method: "GET", URL: url, Headers: map[string][]string{"a": {"1\r\nb: 2"}}},
		{Method: "GET", URL: url, Headers: map[string][]string{"host": {"other.example"}}},
	} {
		_, err := call(t.Context(), d, "http", "request", v, "")
		if codeOf(err) != hostapi.CodeInvalid {
			t.Errorf("%q %q %q: %v (%s)", v.Method, v.URL, v.Headers, err, codeOf(err))
		}
	}
}

func TestHTTPBodyLimits(t *testing.T) {
	const limit = 100_000
	d := webDesk(t, func(c *hostservice.Config) { c.Services.HTTP.Config.MaxBodyBytes = limit })
	closed := make(chan struct{}, 2)
	var bomb bytes.Buffer // unpacks to a thousand times its size, and may be repeated
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(make([]byte, 1<<20))
	_ = z.Close()
	url := serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/fits":
			n, _ := io.Copy(io.Discard, r.Body)
			_, _ = w.Write(make([]byte, n))
		case "/endless":
			for block := make([]byte, 10_000); ; {
				if _, err := w.Write(block); err != nil {
					closed <- struct{}{}
					return
				}
			}
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			for {
				if _, err := w.Write(bomb.Bytes()); err != nil {
					closed <- struct{}{}
					return
				}
			}
		case "/headers":
			for i := range 2000 {
				w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 1000))
			}
		}
	})
	full := strings.Repeat("x", limit)
	if res := must(t, d, "http", "request", hostapi.HTTPRequest{Method: "POST", URL: url + "/fits"}, full); len(res.Body) != limit {
		t.Errorf("body has %d bytes", len(res.Body))
	}
	refused(t, d, "http", "request", hostapi.HTTPRequest{Method: "POST", URL: url + "/fits"}, full+"x", hostapi.CodeTooLarge, "100000")
	for _, path := range []string{"/endless", "/bomb"} {
		refused(t, d, "http", "request", get(url+path), "", hostapi.CodeTooLarge, "100000")
		select {
		case <-closed: // the server notices that nobody reads any more
		case <-time.After(enough):
			t.Errorf("%s goes on", path)
		}
	}
	refused(t, d, "http", "request", get(url+"/headers"), "", hostapi.CodeUnavailable, "headers")
}

func TestHTTPDecompresses(t *testing.T) {
	d := webDesk(t)
	url := serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			t.Error("gzip is not asked for")
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, "plain")
		_ = z.Close()
	})
	res := must(t, d, "http", "request", get(url), "")
	if h := answer[hostapi.HTTPResponse](t, res).Headers; string(res.Body) != "plain" || h["Content-Encoding"] != nil {
		t.Errorf("%q with %v", res.Body, h)
	}
}

func TestHTTPTimeouts(t *testing.T) {
	const short = 100
	limited := func(c *hostservice.Config) { c.Services.HTTP.Config.TimeoutMs = short }
	url := serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			_, _ = io.WriteString(w, "some")
			_ = http.NewResponseController(w).Flush()
		}
		<-r.Context().Done() // until the client leaves
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() { // headers that never end
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				_, _ = bufio.NewReader(c).ReadString('\n')
				_, err := fmt.Fprint(c, "HTTP/1.1 200 OK\r\n")
				drip := time.NewTicker(10 * time.Millisecond)
				defer drip.Stop()
				for i := 0; err == nil; i++ {
					<-drip.C
					_, err = fmt.Fprintf(c, "X-%d: 1\r\n", i)
				}
			}()
		}
	}()
	urls := []string{url + "/headers", url + "/body", "http://" + l.Addr().String()}
	byNode, byRequest := webDesk(t, limited), webDesk(t)
	for _, u := range urls {
		refused(t, byNode, "http", "request", hostapi.HTTPRequest{URL: u, TimeoutMs: 1_000_000}, "", hostapi.CodeTimeout, "100ms", "GET http://127.0.0.1")
		refused(t, byRequest, "http", "request", hostapi.HTTPRequest{URL: u, TimeoutMs: short}, "", hostapi.CodeTimeout, "100ms")
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		_, err := call(ctx, byRequest, "http", "request", get(u), "")
		cancel()
		wantError(t, err, hostapi.CodeTimeout)
	}
}

func TestHTTPUnreachable(t *testing.T) {
	d := webDesk(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	_, err = call(t.Context(), d, "http", "request", get("http://"+addr+"/secret?token=1"), "")
	wantError(t, err, hostapi.CodeUnavailable, addr)
	if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "token") {
		t.Errorf("error %q tells what may be secret", err)
	}
}

func TestHTTPRedirects(t *testing.T) {
	d := webDesk(t)
	other := serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "other %v %v %v %v", r.Header["Authorization"], r.Header["Cookie"], r.Header["Referer"], r.Header["X-Own"])
	})
	url := serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		var n int
		_, _ = fmt.Sscanf(r.URL.Path, "/down/%d", &n)
		switch {
		case n > 0:
			http.Redirect(w, r, fmt.Sprintf("/down/%d", n-1), http.StatusFound)
		case r.URL.Path == "/to":
			w.Header().Set("Location", r.URL.Query().Get("url"))
			w.WriteHeader(http.StatusTemporaryRedirect)
			_, _ = io.WriteString(w, "elsewhere")
		case r.URL.Path == "/see":
			http.Redirect(w, r, "/end", http.StatusSeeOther)
		default:
			body, _ := io.ReadAll(r.Body)
			_, _ = fmt.Fprintf(w, "%s %s %v %v", r.Method, body, r.Header["Authorization"], r.Header["Cookie"])
		}
	})
	secrets := map[string][]string{"Authorization": {"Bearer x"}, "Cookie": {"a=1"}, "X-Own": {"1"}, "Referer": {"http://me"}}
	do := func(method, path, mode string) (hostapi.HTTPResponse, string) {
		t.Helper()
		res := must(t, d, "http", "request", hostapi.HTTPRequest{Method: method, URL: url + path, Redirect: mode, Headers: secrets}, "body")
		return answer[hostapi.HTTPResponse](t, res), string(res.Body)
	}
	if got, body := do("POST", "/to?url=/end", ""); body != "POST body [Bearer x] [a=1]" || !got.Redirected || got.URL != url+"/end" {
		t.Errorf("%+v, %q", got, body)
	}
	if _, body := do("POST", "/see", "follow"); body != "GET  [Bearer x] [a=1]" {
		t.Errorf("after 303: %q", body)
	}
	if got, body := do("GET", "/to?url="+other+"/x", "follow"); body != "other [] [] [] [1]" || got.URL != other+"/x" {
		t.Errorf("another host is sent %q", body)
	}
	if got, body := do("GET", "/to?url=/end", "manual"); got.Status != 307 || got.Redirected || body != "elsewhere" || got.Headers["Location"][0] != "/end" {
		t.Errorf("%+v, %q", got, body)
	}
	refused(t, d, "http", "request", hostapi.HTTPRequest{URL: url + "/see", Redirect: "error"}, "", hostapi.CodeUnavailable, "redirects")
	if _, body := do("GET", "/down/10", ""); !strings.HasPrefix(body, "GET") {
		t.Errorf("after ten redirects: %q", body)
	}
	refused(t, d, "http", "request", get(url+"/down/11"), "", hostapi.CodeUnavailable, "10 times")
	for _, to := range []string{"ftp://127.0.0.1/", "file:///etc/passwd", "http://user:pw@127.0.0.1/", "http://127.0.0.1:0/"} {
		refused(t, d, "http", "request", get(url+"/to?url="+to), "", hostapi.CodeDenied, "redirects")
	}
}

// Back and forth between two hosts, credentials do not come back: the other one chose the address.
func TestHTTPRedirectBack(t *testing.T) {
	d := webDesk(t)
	var first string
	second := serveHTTP(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, first+"/end", http.StatusFound) })
	first = serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/end" {
			_, _ = fmt.Fprint(w, r.Header["Authorization"])
			return
		}
		http.Redirect(w, r, second, http.StatusFound)
	})
	v := hostapi.HTTPRequest{URL: first, Headers: map[string][]string{"Authorization": {"Bearer x"}}}
	if res := must(t, d, "http", "request", v, ""); string(res.Body) != "[]" {
		t.Errorf("credentials %s came back", res.Body)
	}
}

func TestHTTPConnectionsAreReused(t *testing.T) {
	d := webDesk(t)
	remotes := map[string]bool{}
	url := serveHTTP(t, func(_ http.ResponseWriter, r *http.Request) { remotes[r.RemoteAddr] = true })
	for range 5 {
		must(t, d, "http", "request", get(url), "")
	}
	if len(remotes) != 1 {
		t.Errorf("%d connections for five calls", len(remotes))
	}
}
