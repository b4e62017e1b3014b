package fcapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
)

// maxResponse is more than any answer has: metadata, the longest, is bounded by 51,200 bytes unless the process
// was told otherwise.
const maxResponse = 1 << 20

// Client asks one process. It is safe for concurrent use; the process answers one request after the other.
//
// The error of a request that the process has refused is an [*Error]; others say that it could not be asked.
type Client struct {
	http *http.Client
}

// New returns a client that reaches the process by dial. Call Close when it is not used any more.
func New(dial func(ctx context.Context) (net.Conn, error)) *Client {
	return &Client{http: &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
			// One request after the other needs one connection.
			MaxConnsPerHost:        1,
			MaxResponseHeaderBytes: 64 << 10,
			DisableCompression:     true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close closes the connection to the process, and changes nothing there.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// do sends a request with the body as JSON, none if that is nil, and decodes the answer into it if that is not
// nil. What is for the words of an error.
func (c *Client) do(ctx context.Context, what, method, path string, body, answer any) error {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		content = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://localhost"+path, content)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	r.Header.Set("Accept", "application/json")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("%s: firecracker does not answer: %w", what, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxResponse+1))
	switch {
	case err != nil:
		return fmt.Errorf("%s: firecracker does not answer: %w", what, err)
	case len(text) > maxResponse:
		return fmt.Errorf("%s: firecracker answers with more than %d bytes", what, maxResponse)
	case response.StatusCode < 200 || response.StatusCode > 299:
		return &Error{Request: what, Status: response.StatusCode, Fault: fault(text)}
	case answer == nil:
		return nil
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("%s: firecracker answers with what is no such JSON: %w", what, err)
	}
	return nil
}

func (c *Client) put(ctx context.Context, what, path string, body any) error {
	return c.do(ctx, what, http.MethodPut, path, body, nil)
}

func (c *Client) patch(ctx context.Context, what, path string, body any) error {
	return c.do(ctx, what, http.MethodPatch, path, body, nil)
}

func (c *Client) get(ctx context.Context, what, path string, answer any) error {
	return c.do(ctx, what, http.MethodGet, path, nil, answer)
}
