package artifact_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/artifact"
)

func TestHTTPSRefusals(t *testing.T) {
	t.Parallel()
	body := content("abc", 1000)
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		t.Error("the plain http server was asked")
		_, _ = w.Write(body)
	}))
	t.Cleanup(plain.Close)
	tests := []struct {
		name  string
		serve http.HandlerFunc
		limit int64
		check bool // Check finds out as well
		code  nex.Code
		words []string
	}{
		{"missing", http.NotFound, 0, true, nex.CodeArtifactNotFound, []string{"404"}},
		{"gone", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) }, 0, true, nex.CodeArtifactNotFound, []string{"410"}},
		{"forbidden", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, 0, true, nex.CodeArtifactUnavailable, []string{"403"}},
		{"no content", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, 0, true, nex.CodeArtifactUnavailable, []string{"204"}},
		{"too large", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(1<<40))
		}, 999, true, nex.CodeArtifactTooLarge, []string{nex.ErrArtifactTooLarge.Message, "999"}},
		{"too large without saying so", func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodHead {
				w.Header().Set("Content-Length", "5")
				return
			}
			w.(http.Flusher).Flush() // no Content-Length
			_, _ = w.Write(body)
		}, 999, false, nex.CodeArtifactTooLarge, []string{nex.ErrArtifactTooLarge.Message}},
		{"Content-Length too small", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5")
			_, _ = w.Write(body[:5])
		}, 0, false, nex.CodeDigestMismatch, nil},
		{"truncated", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			if r.Method == http.MethodHead {
				return
			}
			_, _ = w.Write(body[:10])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, 0, false, nex.CodeArtifactUnavailable, []string{"broke off after 10 bytes"}},
		{"redirect to http", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, plain.URL, http.StatusFound)
		}, 0, true, nex.CodeLocationDenied, []string{"https"}},
		{"redirects in a circle", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
		}, 0, true, nex.CodeArtifactUnavailable, []string{"redirects more than 5 times"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url, client := serve(t, tt.serve)
			dir := filepath.Join(t.TempDir(), "cache")
			c := open(t, artifact.Config{Dir: dir, HTTPClient: client})
			ref := artifact.Ref{Location: location(t, url+"/x"), Digest: digest(body), MaxBytes: tt.limit}
			_, err := c.Fetch(t.Context(), ref)
			wantCode(t, err, tt.code, tt.words...)
			wantFiles(t, dir)
			_, err = c.Check(t.Context(), ref)
			if tt.check {
				wantCode(t, err, tt.code, tt.words...)
			} else if err != nil {
				t.Errorf("check: %v", err)
			}
		})
	}
}

func TestHTTPSFollowsRedirects(t *testing.T) {
	t.Parallel()
	body := content("abc", 1000)
	url, client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Path[1:])
		if r.Referer() != "" {
			t.Errorf("referer %q was sent", r.Referer())
		}
		if n > 0 {
			http.Redirect(w, r, "/"+strconv.Itoa(n-1), http.StatusFound)
			return
		}
		_, _ = w.Write(body)
	})
	c := open(t, artifact.Config{HTTPClient: client})
	f := fetch(t, c, artifact.Ref{Location: location(t, url+"/5?secret"), Digest: digest(body)})
	defer f.Release()
	wantContent(t, f, body)
}

func TestHTTPSCheckWithoutHead(t *testing.T) {
	t.Parallel()
	body := content("abc", 1000)
	tests := []struct {
		name  string
		serve http.HandlerFunc
		want  int64
	}{
		{"HEAD refused", func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodHead {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			_, _ = w.Write(body)
		}, 1000},
		{"size not told", func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() }, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url, client := serve(t, tt.serve)
			c := open(t, artifact.Config{HTTPClient: client})
			got, err := c.Check(t.Context(), artifact.Ref{Location: location(t, url), Digest: digest(body)})
			if err != nil || got != tt.want {
				t.Errorf("check = %d, %v; want %d", got, err, tt.want)
			}
		})
	}
}

func TestHTTPSTakesBytesAsTheyAre(t *testing.T) {
	t.Parallel()
	var encoding atomic.Value
	body := content("abc", 100)
	url, client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		encoding.Store(r.Header.Get("Accept-Encoding"))
		w.Header().Set("Content-Encoding", "gzip") // and yet these are the artifact's bytes
		_, _ = w.Write(body)
	})
	c := open(t, artifact.Config{HTTPClient: client})
	f := fetch(t, c, artifact.Ref{Location: location(t, url), Digest: digest(body)})
	defer f.Release()
	wantContent(t, f, body)
	if got := encoding.Load(); got != "identity" {
		t.Errorf("Accept-Encoding = %q, want identity", got)
	}
}

func TestHTTPSStall(t *testing.T) {
	t.Parallel()
	body := content("abc", 1000)
	tests := []struct {
		name string
		sent int
	}{
		{"before the answer", -1},
		{"in the answer", 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url, client := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if tt.sent >= 0 {
					_, _ = w.Write(body[:tt.sent])
					w.(http.Flusher).Flush()
				}
				<-r.Context().Done()
			})
			dir := filepath.Join(t.TempDir(), "cache")
			c := open(t, artifact.Config{Dir: dir, HTTPClient: client, Stall: 100 * time.Millisecond})
			_, err := c.Fetch(t.Context(), artifact.Ref{Location: location(t, url), Digest: digest(body)})
			wantCode(t, err, nex.CodeArtifactUnavailable, "nothing came for 100ms")
			wantFiles(t, dir)
		})
	}
}

func TestHTTPSNobodyThere(t *testing.T) {
	t.Parallel()
	s := httptest.NewTLSServer(http.NotFoundHandler())
	s.Close()
	c := open(t, artifact.Config{}) // with the client of its own
	_, err := c.Fetch(t.Context(), artifact.Ref{Location: location(t, s.URL)})
	wantCode(t, err, nex.CodeArtifactUnavailable, "refused")
}

func TestHTTPSUntrustedCertificate(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = quiet()
	s.StartTLS()
	t.Cleanup(s.Close)
	c := open(t, artifact.Config{})
	_, err := c.Check(t.Context(), artifact.Ref{Location: location(t, s.URL)})
	wantCode(t, err, nex.CodeArtifactUnavailable, "certificate")
}

func TestMessagesKeepSecrets(t *testing.T) {
	t.Parallel()
	url, client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stall" {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusNotFound)
	})
	c := open(t, artifact.Config{HTTPClient: client})
	for _, path := range []string{"/missing", "/stall"} {
		secret := strings.Replace(url, "https://", "https://user:hunter2@", 1) + path + "?token=hunter2#hunter2"
		_, err := c.Fetch(t.Context(), artifact.Ref{Location: location(t, secret)})
		if err == nil {
			t.Fatal("fetched")
		}
		if got := err.Error(); strings.Contains(got, "hunter2") || !strings.Contains(got, path) {
			t.Errorf("error %q tells a secret, or not the path", got)
		}
	}
}
