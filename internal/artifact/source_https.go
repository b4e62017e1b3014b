package artifact

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	nex "github.com/nex-engine/nex"
)

// maxRedirects bounds how often an https location may point elsewhere.
const maxRedirects = 5

// httpsSource is a page of a web server.
type httpsSource struct {
	ref    Ref
	client *http.Client
	stall  time.Duration
}

// newHTTPSClient returns a copy of client, or of a sensible default, that follows redirects only as
// far as https leads. How long it may wait is for the guard to say.
func newHTTPSClient(client *http.Client) *http.Client {
	c := http.Client{}
	if client != nil {
		c = *client
	} else {
		c.Transport = http.DefaultTransport.(*http.Transport).Clone()
	}
	c.CheckRedirect = checkRedirect
	return &c
}

func checkRedirect(req *http.Request, via []*http.Request) error {
	if req.URL.Scheme != nex.SchemeHTTPS {
		return nex.Errorf(nex.CodeLocationDenied, "artifact %s redirects to %s://%s, which is not https: use an address that stays on https",
			Ref{Location: nex.Location(*via[0].URL)}, req.URL.Scheme, clip(req.URL.Host))
	}
	if len(via) > maxRedirects {
		return fmt.Errorf("it redirects more than %d times", maxRedirects)
	}
	req.Header.Del("Referer") // the query of the address before may be a secret
	return nil
}

// stat asks with HEAD. Where that is refused, as it is for presigned addresses, it asks with GET
// and does not read the answer.
func (s httpsSource) stat(ctx context.Context) (meta, error) {
	m, body, err := s.ask(ctx, http.MethodHead)
	var refused *statusError
	if errors.As(err, &refused) && !refused.gone() {
		m, body, err = s.ask(ctx, http.MethodGet)
	}
	if err != nil {
		return meta{}, err
	}
	return m, body.Close()
}

func (s httpsSource) open(ctx context.Context) (meta, io.ReadCloser, error) {
	return s.ask(ctx, http.MethodGet)
}

func (s httpsSource) ask(ctx context.Context, method string) (meta, io.ReadCloser, error) {
	g := newGuard(ctx, s.stall)
	res, err := s.do(g.ctx, method)
	if err != nil {
		err = g.explain(err)
		g.stop()
		return meta{}, nil, s.failure(err)
	}
	g.pause()
	return meta{size: res.ContentLength}, guarded{guard: g, body: res.Body}, nil
}

// do returns a response with status 200, whose body the caller closes.
func (s httpsSource) do(ctx context.Context, method string) (*http.Response, error) {
	u := url.URL(s.ref.Location)
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	// The bytes as they lie there: a length to go by, and nothing that unpacks to more.
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("User-Agent", "nex/"+nex.Version)
	res, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		_ = res.Body.Close() // nothing of it is wanted
		return nil, &statusError{code: res.StatusCode}
	}
	return res, nil
}

// failure says what went wrong without the address that net/http puts into its errors.
func (s httpsSource) failure(err error) error {
	var status *statusError
	if errors.As(err, &status) && status.gone() {
		return notFound(s.ref, err, err.Error())
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return unavailable(s.ref, err)
}

// statusError is an answer other than 200.
type statusError struct{ code int }

func (e *statusError) Error() string {
	return fmt.Sprintf("the server answered %d %s", e.code, http.StatusText(e.code))
}

// gone reports that the server knows no such page.
func (e *statusError) gone() bool {
	return e.code == http.StatusNotFound || e.code == http.StatusGone
}
