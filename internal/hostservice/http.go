package hostservice

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/hostapi"
	"github.com/nex-engine/nex/internal/hostservice/httpguard"
)

// Bounds of the connections to web servers, which all workloads of a node share.
const (
	maxIdleConns           = 64
	maxIdleConnsPerHost    = 8
	idleConnTimeout        = 30 * time.Second
	maxResponseHeaderBytes = 256 << 10
)

// caller makes HTTP calls.
type caller struct {
	transport *http.Transport
	timeout   time.Duration
	maxBody   int64
}

func newCaller(c config.HTTPConfig, resolver *net.Resolver) (*caller, error) {
	guard, err := httpguard.New(c.Allow)
	if err != nil {
		return nil, err
	}
	maxBody := int64(hostapi.MaxMessageBytes)
	if c.MaxBodyBytes > 0 {
		maxBody = min(maxBody, c.MaxBodyBytes)
	}
	timeout := milliseconds(c.TimeoutMs, defaultHTTPTimeout)
	return &caller{
		transport: &http.Transport{
			Proxy: nil, // a proxy would connect to what the guard has not seen
			// Making a connection does not end with the call that it is made for.
			DialContext:            counting(guard.DialContext(net.Dialer{Resolver: resolver, Timeout: timeout})),
			TLSHandshakeTimeout:    timeout,
			ForceAttemptHTTP2:      true,
			MaxIdleConns:           maxIdleConns,
			MaxIdleConnsPerHost:    maxIdleConnsPerHost,
			IdleConnTimeout:        idleConnTimeout,
			ExpectContinueTimeout:  time.Second,
			MaxResponseHeaderBytes: maxResponseHeaderBytes,
		},
		timeout: timeout,
		maxBody: maxBody,
	}, nil
}

func (c *caller) close() { c.transport.CloseIdleConnections() }

func (c *caller) request(ctx context.Context, r hostapi.Request) (hostapi.Response, *hostapi.Error) {
	v, err := decode[hostapi.HTTPRequest](r)
	if err != nil {
		return hostapi.Response{}, err
	}
	timeout := c.timeout
	if v.TimeoutMs > 0 {
		timeout = min(timeout, milliseconds(v.TimeoutMs, 0))
	}
	parent := ctx
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := c.newRequest(ctx, v, r.Body)
	if err != nil {
		return hostapi.Response{}, err
	}
	x := exchange{req: req, redirect: v.Redirect}
	client := http.Client{Transport: c.transport, CheckRedirect: x.checkRedirect}
	res, failed := client.Do(req)
	if failed == nil {
		defer func() { _ = res.Body.Close() }() // ends the connection if there is more to come
		var body []byte
		if body, failed = readBody(res.Body, c.maxBody); failed == nil {
			return encode(x.describe(res), body)
		}
	}
	if parent.Err() != nil {
		return hostapi.Response{}, ended(parent, x.String())
	}
	return hostapi.Response{}, x.explain(failed, timeout)
}

func (c *caller) newRequest(ctx context.Context, v hostapi.HTTPRequest, body []byte) (*http.Request, *hostapi.Error) {
	if v.Method == "" {
		v.Method = http.MethodGet
	}
	switch {
	case !isToken(v.Method):
		return nil, hostapi.Errorf(hostapi.CodeInvalid, "%q is no HTTP method", clip(v.Method))
	case v.Method == http.MethodConnect:
		return nil, hostapi.Errorf(hostapi.CodeInvalid, "the HTTP method CONNECT makes tunnels, which a function cannot use")
	case v.TimeoutMs < 0:
		return nil, hostapi.Errorf(hostapi.CodeInvalid, "the timeout is %d ms: it cannot be negative", v.TimeoutMs)
	case v.Redirect != "" && v.Redirect != redirectFollow && v.Redirect != redirectError && v.Redirect != redirectManual:
		return nil, hostapi.Errorf(hostapi.CodeInvalid, "%q is no way to treat redirects: there are follow, error and manual", clip(v.Redirect))
	case int64(len(body)) > c.maxBody:
		return nil, hostapi.Errorf(hostapi.CodeTooLarge, "the body of the request has %d bytes, more than the %d that are allowed", len(body), c.maxBody)
	}
	u, err := parseURL(v.URL)
	if err != nil {
		return nil, err
	}
	header, err := requestHeader(v.Headers, u.Host)
	if err != nil {
		return nil, err
	}
	req := (&http.Request{
		Method: v.Method, URL: u, Host: u.Host, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody,
	}).WithContext(ctx)
	if len(body) > 0 {
		req.ContentLength = int64(len(body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		req.Body, _ = req.GetBody() // never fails
	}
	return req, nil
}

// errBodyTooLarge is that of a response; its text has the limit.
type errBodyTooLarge int64

func (e errBodyTooLarge) Error() string {
	return fmt.Sprintf("the body of the response has more than the %d bytes that are allowed", int64(e))
}

// readBody reads a body up to most bytes, of what has been decompressed.
func readBody(r io.Reader, most int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(body)) > most {
		err = errBodyTooLarge(most)
	}
	return body, err
}

// exchange is a call with all its redirects. One goroutine uses it.
type exchange struct {
	req        *http.Request
	redirect   string
	redirected bool
}

// String names the call without what may be secret in it.
func (x *exchange) String() string {
	return fmt.Sprintf("%s %s://%s", clip(x.req.Method), x.req.URL.Scheme, clip(x.req.URL.Host))
}

func (x *exchange) describe(res *http.Response) hostapi.HTTPResponse {
	_, text, _ := strings.Cut(res.Status, " ")
	return hostapi.HTTPResponse{
		Status:     res.StatusCode,
		StatusText: text,
		Headers:    responseHeader(res.Header),
		URL:        res.Request.URL.String(),
		Redirected: x.redirected,
	}
}

// explain makes the error of a request of what went wrong.
func (x *exchange) explain(err error, timeout time.Duration) *hostapi.Error {
	var done *hostapi.Error
	var refused *httpguard.Refusal
	var large errBodyTooLarge
	var lookup *net.DNSError
	var wrapped *url.Error
	switch {
	case errors.As(err, &done):
		return done
	case errors.As(err, &refused):
		return hostapi.Errorf(hostapi.CodeDenied, "%v", refused)
	case errors.As(err, &large):
		return hostapi.Errorf(hostapi.CodeTooLarge, "%s: %v", x, large)
	case errors.Is(err, context.DeadlineExceeded):
		return hostapi.Errorf(hostapi.CodeTimeout, "%s was not answered in full within %v", x, timeout)
	case errors.As(err, &lookup):
		return hostapi.Errorf(hostapi.CodeUnavailable, "%s failed: the host %q cannot be looked up: %s", x, clip(lookup.Name), lookup.Err)
	case errors.As(err, &wrapped):
		err = wrapped.Err // without the address, which may have secrets in it
	}
	return hostapi.Errorf(hostapi.CodeUnavailable, "%s failed: %v", x, err)
}
