package hostservice_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/internal/hostapi"
	"github.com/nex-engine/nex/internal/hostservice"
	"github.com/nex-engine/nex/internal/natstest"
)

// world is a network with a web server that listens on every address there is.
type world struct {
	nc       *nats.Conn
	resolver *net.Resolver
	accepted atomic.Int64 // connections that have arrived, wherever
	loopback atomic.Int64 // requests that have arrived on a loopback address
}

// extra are the addresses that the world has besides those of loopback.
var extra = []string{
	"8.8.8.8", "169.254.169.254", "10.1.2.3", "172.20.1.1", "192.168.7.7", "100.64.1.1", "198.18.0.1", "203.0.113.5",
	"2606:4700:4700::1111", "fd00::7", "64:ff9b::7f00:1", "64:ff9b::808:808", "2002:7f00:1::1", "2001:db8::7",
}

const port = "8080"

func newWorld(t *testing.T) *world {
	t.Helper()
	for i, a := range extra {
		addAddress(t, fmt.Sprint(i), netip.MustParseAddr(a))
	}
	turn := -1
	w := &world{
		nc: natstest.Connect(t, natstest.Run(t)),
		resolver: serveDNS(t, zone{
			"public.test":     fixed("8.8.8.8"),
			"www.public.test": fixed("8.8.8.8"),
			"six.test":        fixed("2606:4700:4700::1111"),
			"other.test":      fixed("8.8.8.8"),
			"loop.test":       fixed("127.0.0.1"),
			"loop6.test":      fixed("::1"),
			"meta.test":       fixed("169.254.169.254"),
			"mixed.test":      fixed("127.0.0.1", "8.8.8.8"),
			"example.com":     fixed("8.8.8.8"),
			"turning.test": func() []netip.Addr {
				turn++ // twice for each lookup, which asks for both kinds of addresses
				return fixed([]string{"8.8.8.8", "127.0.0.1"}[turn/2%2])()
			},
		}),
	}
	l, err := net.Listen("tcp", ":"+port)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: w, ConnState: func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			w.accepted.Add(1)
		}
	}}
	s.SetKeepAlivesEnabled(false) // each call connects anew
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return w
}

// ServeHTTP tells which address it was called on, or redirects.
func (w *world) ServeHTTP(res http.ResponseWriter, r *http.Request) {
	local := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if local.IP.IsLoopback() {
		w.loopback.Add(1)
	}
	if to := r.URL.Query().Get("to"); to != "" {
		http.Redirect(res, r, to, http.StatusFound)
		return
	}
	_, _ = io.WriteString(res, local.IP.String()+" "+r.RequestURI)
}

// desk is a desk with a list of allowed hosts.
func (w *world) desk(t *testing.T, allow ...string) *hostservice.Desk {
	t.Helper()
	services := openServices(t, func(c *hostservice.Config) {
		c.Resolver = w.resolver
		c.Services.HTTP.Config.Allow = allow
	})
	return deskOn(t, services, w.nc, "default", "counter")
}

// denied checks that a call is refused with a sentence that has the words, and that nobody is called.
func (w *world) denied(t *testing.T, d *hostservice.Desk, url string, words ...string) {
	t.Helper()
	before := w.accepted.Load()
	_, err := call(t.Context(), d, "http", "request", get(url), "")
	if codeOf(err) != hostapi.CodeDenied {
		t.Errorf("%s: %v (%s), want it denied", url, err, codeOf(err))
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%s: error %q does not have %q in it", url, err, word)
		}
	}
	// A connection that had been made would be accepted before one that is made now.
	c, err := net.DialTimeout("tcp", "127.0.0.1:"+port, enough)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(c, "GET / HTTP/1.0\r\n\r\n")
	_, _ = io.Copy(io.Discard, c)
	_ = c.Close()
	if n := w.accepted.Load() - before; n != 1 {
		t.Errorf("%s: denied, after %d connections", url, n-1)
	}
}

func (w *world) reached(t *testing.T, d *hostservice.Desk, url, address string) {
	t.Helper()
	res, err := call(t.Context(), d, "http", "request", get(url), "")
	if err != nil {
		t.Errorf("%s: %v (%s)", url, err, codeOf(err))
		return
	}
	if got, _, _ := strings.Cut(string(res.Body), " "); got != address {
		t.Errorf("%s reaches %s, want %s", url, got, address)
	}
}

func TestHTTPAddresses(t *testing.T) {
	if !isolated(t) {
		return
	}
	w := newWorld(t)
	byDefault := w.desk(t)
	t.Run("public", func(t *testing.T) {
		for url, address := range map[string]string{
			"http://8.8.8.8:8080":                "8.8.8.8",
			"http://public.test:8080":            "8.8.8.8",
			"http://PUBLIC.test.:8080":           "8.8.8.8",
			"http://[2606:4700:4700::1111]:8080": "2606:4700:4700::1111",
			"http://six.test:8080":               "2606:4700:4700::1111",
			"http://[::ffff:8.8.8.8]:8080":       "8.8.8.8",
			"http://[64:ff9b::808:808]:8080":     "64:ff9b::808:808",
			"http://mixed.test:8080":             "8.8.8.8",
		} {
			w.reached(t, byDefault, url, address)
		}
	})
	// Each is denied by default, and is reached when it is listed: there is somebody to reach.
	for _, c := range []struct{ url, allow, address, what string }{
		{"http://127.0.0.1:8080", "127.0.0.1", "127.0.0.1", "loopback"},
		{"http://127.1.2.3:8080", "127.0.0.0/8", "127.1.2.3", "loopback"},
		{"http://[::1]:8080", "::1", "::1", "loopback"},
		{"http://169.254.169.254:8080/latest/meta-data", "169.254.169.254", "169.254.169.254", "link-local"},
		{"http://10.1.2.3:8080", "10.0.0.0/8", "10.1.2.3", "private"},
		{"http://172.20.1.1:8080", "172.16.0.0/12", "172.20.1.1", "private"},
		{"http://192.168.7.7:8080", "192.168.7.7/32", "192.168.7.7", "private"},
		{"http://100.64.1.1:8080", "100.64.0.0/10", "100.64.1.1", "carrier"},
		{"http://198.18.0.1:8080", "198.18.0.0/15", "198.18.0.1", "benchmark"},
		{"http://203.0.113.5:8080", "203.0.113.5", "203.0.113.5", "documentation"},
		{"http://0.0.0.0:8080", "0.0.0.0", "127.0.0.1", "unspecified"},
		{"http://[::]:8080", "::", "::1", "unspecified"},
		{"http://[fd00::7]:8080", "fd00::/8", "fd00::7", "private"},
		{"http://[2001:db8::7]:8080", "2001:db8::/32", "2001:db8::7", "documentation"},
		{"http://[::ffff:127.0.0.1]:8080", "127.0.0.1", "127.0.0.1", "loopback"},
		{"http://[::ffff:a01:203]:8080", "10.0.0.0/8", "10.1.2.3", "private"},
		{"http://[::ffff:169.254.169.254]:8080", "::ffff:169.254.169.254", "169.254.169.254", "link-local"},
		{"http://[64:ff9b::7f00:1]:8080", "64:ff9b::/96", "64:ff9b::7f00:1", "loopback"},
		{"http://[2002:7f00:1::1]:8080", "2002::/16", "2002:7f00:1::1", "6to4"},
		{"http://localhost:8080", "127.0.0.0/8", "127.0.0.1", "loopback"},
		{"http://loop.test:8080", "127.0.0.1", "127.0.0.1", "loopback"},
		{"http://LOOP.test.:8080", "127.0.0.1", "127.0.0.1", "loopback"},
		{"http://loop6.test:8080", "::1", "::1", "loopback"},
		{"http://meta.test:8080/latest/meta-data", "169.254.0.0/16", "169.254.169.254", "link-local"},
	} {
		t.Run(c.url[len("http://"):], func(t *testing.T) {
			w.denied(t, byDefault, c.url, c.what, "host_services.services.http.config.allow")
			w.reached(t, w.desk(t, c.allow), c.url, c.address)
			// The same by a redirect of a host that may be called.
			redirect := "http://8.8.8.8:8080/?to=" + c.url
			_, err := call(t.Context(), byDefault, "http", "request", get(redirect), "")
			if codeOf(err) != hostapi.CodeDenied {
				t.Errorf("redirect to %s: %v (%s), want it denied", c.url, err, codeOf(err))
			}
			w.reached(t, w.desk(t, "8.8.8.8", c.allow), redirect, c.address)
		})
	}
	for _, host := range []string{"2130706433", "0x7f000001", "0177.0.0.1", "127.1", "127.0.0.1.", "[fe80::1%25lo]"} {
		t.Run("odd "+host, func(t *testing.T) {
			before := w.loopback.Load()
			_, err := call(t.Context(), byDefault, "http", "request", get("http://"+host+":8080"), "")
			if err == nil || w.loopback.Load() != before {
				t.Errorf("%s is called: %v", host, err)
			}
		})
	}
}

func TestHTTPAllowList(t *testing.T) {
	if !isolated(t) {
		return
	}
	w := newWorld(t)
	names := w.desk(t, "public.test", "*.public.test", "Loop.Test")
	w.reached(t, names, "http://public.test:8080", "8.8.8.8")
	w.reached(t, names, "http://Public.Test.:8080", "8.8.8.8")
	w.reached(t, names, "http://www.public.test:8080", "8.8.8.8")
	w.denied(t, names, "http://other.test:8080", `"other.test"`, "allow")
	w.denied(t, names, "http://notpublic.test:8080", "allow")
	w.denied(t, names, "http://8.8.8.8:8080", "allow")
	w.denied(t, names, "http://127.0.0.1:8080", "loopback")
	w.denied(t, names, "http://loop.test:8080", "loopback") // a name does not make its address reachable

	below := w.desk(t, "*.public.test")
	w.reached(t, below, "http://www.public.test:8080", "8.8.8.8")
	w.denied(t, below, "http://public.test:8080", "allow")

	addresses := w.desk(t, "10.0.0.0/8", "8.8.8.0/24")
	w.reached(t, addresses, "http://other.test:8080", "8.8.8.8")
	w.reached(t, addresses, "http://10.1.2.3:8080", "10.1.2.3")
	w.denied(t, addresses, "http://six.test:8080", `"six.test"`)
	w.denied(t, addresses, "http://[2606:4700:4700::1111]:8080")
	w.denied(t, addresses, "http://192.168.7.7:8080", "private")

	both := w.desk(t, "loop.test", "127.0.0.1")
	w.reached(t, both, "http://loop.test:8080", "127.0.0.1")

	_, err := call(t.Context(), w.desk(t), "http", "request", get("http://missing.test:8080/x?secret"), "")
	wantError(t, err, hostapi.CodeUnavailable, `"missing.test"`, "looked up")
}

// A name that leads elsewhere each time never gets a call to where it must not lead.
func TestHTTPRebinding(t *testing.T) {
	if !isolated(t) {
		return
	}
	w := newWorld(t)
	d := w.desk(t)
	reached, denied := 0, 0
	for range 40 {
		switch _, err := call(t.Context(), d, "http", "request", get("http://turning.test:8080"), ""); codeOf(err) {
		case "":
			reached++
		case hostapi.CodeDenied:
			denied++
		default:
			t.Fatal(err)
		}
	}
	if w.loopback.Load() != 0 {
		t.Errorf("%d calls arrived on loopback", w.loopback.Load())
	}
	if reached == 0 || denied == 0 {
		t.Errorf("%d calls were made and %d denied: the name did not turn", reached, denied)
	}
}

// The environment has proxies, at an address that would take what is meant for others.
func TestHTTPNoProxy(t *testing.T) {
	if !isolated(t) {
		return
	}
	w := newWorld(t)
	res := must(t, w.desk(t), "http", "request", get("http://public.test:8080/path"), "")
	if string(res.Body) != "8.8.8.8 /path" || w.loopback.Load() != 0 {
		t.Errorf("%q, and %d calls of the proxy", res.Body, w.loopback.Load())
	}
}

func TestHTTPVerifiesTLS(t *testing.T) {
	if !isolated(t) {
		return
	}
	w := newWorld(t)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(res http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(res, r.Proto) }))
	s.EnableHTTP2 = true
	l, err := net.Listen("tcp", ":8443")
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Listener.Close()
	s.Listener = l
	s.StartTLS()
	t.Cleanup(s.Close)
	d := w.desk(t)
	// Its certificate, which is trusted here, is for example.com.
	if res := must(t, d, "http", "request", get("https://example.com:8443/"), ""); string(res.Body) != "HTTP/2.0" {
		t.Errorf("body %q", res.Body)
	}
	refused(t, d, "http", "request", get("https://public.test:8443/"), "", hostapi.CodeUnavailable, "certificate")
	w.denied(t, d, "https://127.0.0.1:8443/", "loopback")
}

// Without the trust that the namespace's environment gives.
func TestHTTPUnknownAuthority(t *testing.T) {
	called := make(chan struct{}, 1)
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called <- struct{}{} }))
	t.Cleanup(s.Close)
	refused(t, webDesk(t), "http", "request", get(s.URL), "", hostapi.CodeUnavailable, "certificate")
	select {
	case <-called:
		t.Error("the server was called")
	default:
	}
}
