package fcapi_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/sandbox/microvm/firecracker/fcapi"
)

// answer returns a client of a process that answers its first request with these bytes, and has then ended.
func answer(t testing.TB, text []byte) *fcapi.Client {
	t.Helper()
	c := fcapi.New(func(context.Context) (net.Conn, error) {
		here, there := net.Pipe()
		go func() { // ends with the connection
			defer there.Close()
			if _, err := http.ReadRequest(bufio.NewReader(there)); err == nil {
				_, _ = there.Write(text)
			}
		}()
		return here, nil
	})
	t.Cleanup(c.Close)
	return c
}

func response(status int, body string) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Length: %d\r\n\r\n%s", status, http.StatusText(status), len(body), body)
}

func TestErrorsAreOneSentence(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ body, want string }{
		{`{"fault_message":"The kernel is missing."}`, "start machine: firecracker says: The kernel is missing"},
		{`{"fault_message":"two\n\tlines\u0000 \u007f"}`, "start machine: firecracker says: two lines"},
		{`<html>`, "start machine: firecracker says: <html>"},
		{`{}`, "start machine: firecracker says: no, and not why"},
		{``, "start machine: firecracker says: no, and not why"},
	} {
		err := answer(t, response(http.StatusBadRequest, c.body)).Start(t.Context())
		var refused *fcapi.Error
		if !errors.As(err, &refused) || refused.Status != http.StatusBadRequest || err.Error() != c.want {
			t.Errorf("%q: the error is %q, want %q", c.body, err, c.want)
		}
	}
}

func TestLongAnswers(t *testing.T) {
	t.Parallel()
	long := `{"fault_message":"` + strings.Repeat("é", 4000) + `"}`
	if err := answer(t, response(http.StatusBadRequest, long)).Start(t.Context()); err == nil || len(err.Error()) > 1100 {
		t.Errorf("the error is of %d bytes", len(err.Error()))
	}
	endless := `{"firecracker_version":"` + strings.Repeat("1", 2<<20) + `"}`
	if _, err := answer(t, response(http.StatusOK, endless)).Version(t.Context()); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("the error is %v", err)
	}
}

// A process that hangs is not waited for longer than the caller wants.
func TestContextEndsARequest(t *testing.T) {
	t.Parallel()
	here, there := net.Pipe()
	defer there.Close()
	c := fcapi.New(func(context.Context) (net.Conn, error) { return here, nil })
	defer c.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("the process has ended")
	asked := make(chan struct{})
	go func() {
		_, _ = http.ReadRequest(bufio.NewReader(there))
		close(asked)
		cancel(cause)
	}()
	err := c.Pause(ctx)
	<-asked
	if !errors.Is(err, cause) || !strings.HasPrefix(err.Error(), "pause machine: ") {
		t.Errorf("the error is %v", err)
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	v, err := answer(t, response(http.StatusOK, `{"firecracker_version":"1.13.1","more":1}`)).Version(t.Context())
	if v != "1.13.1" || err != nil {
		t.Errorf("got %q, %v", v, err)
	}
	_, err = answer(t, response(http.StatusOK, `{"firecracker_version":1}`)).Version(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "get version: ") {
		t.Errorf("the error is %v", err)
	}
}

// The other side may answer with anything.
func FuzzAnswer(f *testing.F) {
	f.Add(response(http.StatusNoContent, ""))
	f.Add(response(http.StatusOK, `{"state":"Running"}`))
	f.Add(response(http.StatusBadRequest, `{"fault_message":"no"}`))
	f.Add([]byte("HTTP/1.1 301 Moved\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 100 Continue\r\n\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := answer(t, text).Instance(ctx)
		if err != nil && strings.ContainsAny(err.Error(), "\n\x00") {
			t.Errorf("the error has more than a line: %q", err)
		}
		if errors.Is(err, context.DeadlineExceeded) {
			t.Error("it waits for what is not there")
		}
	})
}
