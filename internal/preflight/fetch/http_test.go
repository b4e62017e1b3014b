package fetch_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/preflight/fetch"
)

// serve starts a web server on loopback, and returns its address and how to get from it.
func serve(t *testing.T, secure bool, h http.HandlerFunc) (string, fetch.Config) {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if secure {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return server.URL, fetch.Config{Client: server.Client()}
}

func at(url string) fetch.Source {
	return fetch.Source{URL: url, SHA256: digest(content), Setting: "preflight.downloads.kernel"}
}

func TestGetHTTP(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		url, c := serve(t, secure, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/kernel" || r.URL.RawQuery != "token=1" || r.Header.Get("Accept-Encoding") != "identity" {
				t.Errorf("asked for %s with %v", r.URL, r.Header)
			}
			_, _ = w.Write([]byte(content))
		})
		to := target(t)
		if err := c.Get(t.Context(), at(url+"/kernel?token=1"), to); err != nil {
			t.Fatalf("TLS %t: %v", secure, err)
		}
		wantFile(t, to, content)
	}
}

func TestUntrustedServer(t *testing.T) {
	t.Parallel()
	url, _ := serve(t, true, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(content)) })
	c := fetch.Config{Client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	refused(t, c, at(url), target(t), "cannot be reached", "certificate", "see to the network")
}

// What may be a secret is not told.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	err = refused(t, fetch.Config{}, at("http://me:secret@"+l.Addr().String()+"/kernel?token=secret"), target(t),
		"http://me:xxxxx@"+l.Addr().String()+"/kernel cannot be reached", "connection refused",
		"see to the network, or set preflight.downloads.kernel.url to a mirror or to a file on this machine")
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("error = %v, want it without secrets", err)
	}
}

func TestServerFails(t *testing.T) {
	t.Parallel()
	half := content[:len(content)/2]
	tests := []struct {
		name  string
		serve http.HandlerFunc
		want  string
	}{
		{"not found", http.NotFound, "the server answers 404 Not Found to a request for http://127.0.0.1:"},
		{"error", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, "502 Bad Gateway"},
		{"no answer to trust", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, "204 No Content"},
		{"breaks off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(len(content)))
			_, _ = w.Write([]byte(half))
		}, "broke off after 5 of 11 bytes (unexpected EOF): try again"},
		{"breaks off in chunks", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(half))
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, "broke off after 5 bytes (unexpected EOF)"},
		{"is cut", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(half)) }, "has sha256 " + digest(half) + " and not"},
		{"another file", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, "none of it is kept"},
		{"says that it is too large", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(2<<20))
		}, "larger than the 1 MiB"},
		{"is too large", func(w http.ResponseWriter, _ *http.Request) {
			for range 33 {
				_, _ = w.Write(make([]byte, 32<<10))
			}
		}, "larger than the 1 MiB"},
		{"wants more than there is", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.FormatInt(1<<62, 10))
		}, "free some, or choose another place with kernel_filepath"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url, c := serve(t, false, tt.serve)
			to := target(t)
			if strings.HasPrefix(tt.name, "wants") {
				to.MaxBytes = 1 << 62
			}
			refused(t, c, at(url+"/kernel"), to, tt.want)
		})
	}
}

// A server that says nothing any more is given up, one that is slow is not.
func TestStalls(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"", content[:3]} {
		left := make(chan struct{})
		url, c := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(first))
			if first != "" {
				_ = http.NewResponseController(w).Flush()
			}
			<-r.Context().Done()
			close(left)
		})
		c.Stall = 50 * time.Millisecond
		refused(t, c, at(url), target(t), "nothing came for 50ms")
		<-left
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	why := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	url, c := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		_, _ = w.Write([]byte(content[:3]))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	c.Progress = func(int64, int64) { cancel(why) }
	to := target(t)
	if err := c.Get(ctx, at(url), to); !errors.Is(err, why) {
		t.Errorf("error = %v, want %v", err, why)
	}
	c.Progress = nil
	url, c = serve(t, false, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(content)) })
	if err := c.Get(t.Context(), at(url), to); err != nil { // and now again
		t.Fatal(err)
	}
	wantFile(t, to, content)
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	plain, _ := serve(t, false, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(content)) })
	tests := []struct {
		name, to, want string
		secure         bool
	}{
		{"elsewhere", plain + "/x", "", false},
		{"from https to http", plain + "/x", "redirects from https to http: change preflight.downloads.kernel.url", true},
		{"to a file", "file:///etc/passwd", "redirects to file, and not to http or https", false},
		{"for ever", "/again", "redirects more than 5 times", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url, c := serve(t, tt.secure, func(w http.ResponseWriter, r *http.Request) {
				if ref := r.Header.Get("Referer"); ref != "" {
					t.Errorf("Referer = %s, want none", ref)
				}
				http.Redirect(w, r, tt.to, http.StatusFound)
			})
			to := target(t)
			if tt.want != "" {
				refused(t, c, at(url+"/kernel"), to, tt.want)
				return
			}
			if err := c.Get(t.Context(), at(url+"/kernel"), to); err != nil {
				t.Fatal(err)
			}
			wantFile(t, to, content)
		})
	}
}
