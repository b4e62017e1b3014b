package natsforms_test

// This file lets web pages in a browser be clients.

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/nex-engine/nex/internal/nextest"
)

// Where pages come from: the server lets those of the first place connect, as the document says, and no others.
const (
	origin        = "localhost:8000"
	anotherOrigin = "localhost:8001"
)

// page is a web page that does a task; beside it is one from elsewhere that tries the same.
const page = `<!DOCTYPE html><title>NATS</title><script type="module" src="/page.mjs"></script>`

// inBrowser lets a page in Chromium do a task, and one that comes from elsewhere. The browser trusts the server if an
// authority is given.
func (r *row) inBrowser(work task, authority string) (here, elsewhere proof) {
	r.t.Helper()
	script, err := os.ReadFile(r.bundle("page.mjs", api.PlatformBrowser))
	must(r.t, err)
	results, strangers := make(chan proof, 1), make(chan proof, 1)
	defer r.serve(origin, page+`<iframe src="http://`+anotherOrigin+`/"></iframe>`, script, work, results)()
	defer r.serve(anotherOrigin, page, script, task{Servers: work.Servers, Good: work.Good}, strangers)()
	defer r.browse("http://"+origin+"/", authority)()
	timeout := time.After(nextest.Patience)
	for range 2 {
		select {
		case here = <-results:
		case elsewhere = <-strangers:
		case <-timeout:
			r.t.Fatalf("not both pages have said what came of their tasks: %+v, %+v", here, elsewhere)
		}
	}
	return here, elsewhere
}

// serve serves a page with its script and task, until the function that it returns is called. What the page says goes
// to results.
func (r *row) serve(address, html string, script []byte, work task, results chan<- proof) (stop func()) {
	r.t.Helper()
	answer := func(kind string, content []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			_, _ = w.Write(content) // whoever does not get it says nothing
		}
	}
	text, err := json.Marshal(work)
	must(r.t, err)
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", answer("text/html", []byte(html)))
	mux.Handle("GET /page.mjs", answer("text/javascript", script))
	mux.Handle("GET /task", answer("application/json", text))
	mux.HandleFunc("POST /result", func(_ http.ResponseWriter, request *http.Request) {
		var p proof
		content, err := io.ReadAll(io.LimitReader(request.Body, 1<<20))
		if err == nil {
			err = json.Unmarshal(content, &p)
		}
		if err != nil {
			p.Error = err.Error()
		}
		results <- p
	})
	l, err := r.listen(address)
	must(r.t, err)
	server := &http.Server{Handler: mux}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(l) // until it is closed
	}()
	return func() {
		_ = server.Close() // nobody waits for anything any more
		<-ended
	}
}

// consoles are the lines in the log of Chromium that pages have written.
var consoles = regexp.MustCompile(`(?m)^.*:CONSOLE:.*$`)

// browse opens a page in a Chromium of its own, until the function that it returns is called.
func (r *row) browse(url, authority string) (stop func()) {
	r.t.Helper()
	args := []string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-breakpad", "--disable-dev-shm-usage", "--enable-logging=stderr", "--user-data-dir=" + r.t.TempDir(),
	}
	if authority != "" {
		args = append(args, "--ignore-certificate-errors-spki-list="+r.keyHash("server.pem"))
	}
	cmd := r.terminal().command("chromium", append(args, url)...)
	p, err := r.place.start(cmd)
	must(r.t, err)
	return func() {
		_ = syscall.Kill(-p.PID(), syscall.SIGKILL) // its processes are in its group
		<-p.Done()
		if r.t.Failed() {
			r.t.Logf("%s:\n%s", cmd, strings.Join(consoles.FindAllString(p.Log(), -1), "\n"))
		}
	}
}

// keyHash is the hash of the public key in a certificate, by which Chromium trusts that certificate and no other.
func (r *row) keyHash(certificate string) string {
	r.t.Helper()
	content, err := os.ReadFile(r.path(certificate))
	must(r.t, err)
	b, _ := pem.Decode(content)
	c, err := x509.ParseCertificate(b.Bytes)
	must(r.t, err)
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}
