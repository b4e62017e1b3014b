//go:build cgo && linux && (amd64 || arm64)

package javascript_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/function"
	"github.com/nex-engine/nex/internal/function/javascript"
	"github.com/nex-engine/nex/internal/hostapi"
)

// patience is how long anything may take on a machine that is busy.
const patience = 60 * time.Second

// hostStub is a host in one function.
type hostStub func(ctx context.Context, r hostapi.Request) (hostapi.Response, error)

func (f hostStub) Request(ctx context.Context, r hostapi.Request) (hostapi.Response, error) {
	return f(ctx, r)
}

// denyAll refuses all.
var denyAll = hostStub(func(context.Context, hostapi.Request) (hostapi.Response, error) {
	return hostapi.Response{}, hostapi.Errorf(hostapi.CodeDenied, "this node has no host services")
})

// config is that of a function with the source, which is named echo.
func config(t testing.TB, source string) function.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "artifact")
	if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	return function.Config{
		Name: "echo", Namespace: "default", ID: "w1", Path: path,
		Concurrency: 1, MemoryBytes: 64 << 20, MaxResultBytes: 16 << 20,
		Host: denyAll, Log: func(function.LogLine) {},
	}
}

// load loads a function and closes it when the test ends.
func load(t testing.TB, source string, change ...func(*function.Config)) function.Runtime {
	t.Helper()
	cfg := config(t, source)
	for _, c := range change {
		c(&cfg)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	rt, err := javascript.Load(ctx, cfg)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	t.Cleanup(rt.Close)
	return rt
}

// call calls the function with a payload.
func call(t testing.TB, rt function.Runtime, payload string) (function.Result, error) {
	t.Helper()
	return callWithin(t, rt, patience, function.Call{Payload: []byte(payload)})
}

// callWithin calls the function with a deadline.
func callWithin(t testing.TB, rt function.Runtime, d time.Duration, c function.Call) (function.Result, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	c.Deadline, _ = ctx.Deadline()
	if c.Subject == "" {
		c.Subject = "test.subject"
	}
	if c.ID == "" {
		c.ID = "call-1"
	}
	return rt.Call(ctx, c)
}

// reply calls the function and wants it to succeed.
func reply(t testing.TB, rt function.Runtime, payload string) string {
	t.Helper()
	r, err := call(t, rt, payload)
	if err != nil {
		t.Fatalf("Call: %s", describe(err))
	}
	return string(r.Payload)
}

// refused wants an error of a function with a status and a message.
func refused(t testing.TB, err error, status int, message string) *function.Error {
	t.Helper()
	e, ok := errors.AsType[*function.Error](err)
	if !ok {
		t.Fatalf("the error is %T %v, want a *function.Error with status %d", err, err, status)
	}
	if e.Status != status || !strings.Contains(e.Message, message) || strings.Contains(e.Message, "\n") {
		t.Errorf("the error is %s, want status %d and the message %q", describe(err), status, message)
	}
	return e
}

func describe(err error) string {
	if e, ok := errors.AsType[*function.Error](err); ok {
		return "status " + strconv.Itoa(e.Status) + ", " + e.Message + "\n" + e.Stack
	}
	return err.Error()
}

// recorder keeps log lines.
type recorder struct {
	mu    sync.Mutex
	lines []function.LogLine
}

func (r *recorder) add(l function.LogLine) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, l)
}

// text is what was logged since it was asked last, a line each, with its level.
func (r *recorder) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, l := range r.lines {
		b.WriteString(l.Stream + " " + l.Level.String() + " " + l.Text + "\n")
	}
	r.lines = nil
	return b.String()
}
