package functiontest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/nex-engine/nex/internal/function"
)

// patience is how long anything may take on a machine that is busy. A test that succeeds does not
// wait for it.
const patience = 60 * time.Second

// loadPatience is the same for loading, which compiles: for the race detector that alone takes half a minute.
const loadPatience = 4 * time.Minute

// late is when a call that is to be stopped is too late. A runtime that needs more than StopWithin
// says so with ErrStuck; the rest is for a machine that is busy.
const late = 2 * function.StopWithin

// rig is what one check works with.
type rig struct {
	*testing.T
	subject Subject
	cache   string // directory for what was compiled
	host    *host
	log     *recorder
	calls   atomic.Int64
}

func newRig(t *testing.T, s Subject, cache string) *rig {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { // the last thing, after the runtimes are closed
		if !t.Failed() { // what hangs has been told of
			goleak.VerifyNone(t, append([]goleak.Option{before}, s.Goroutines...)...)
		}
	})
	return &rig{T: t, subject: s, cache: cache, host: newHost(false), log: newRecorder()}
}

// holdHost makes the host of guests that are loaded after it hold their requests.
func (r *rig) holdHost() { r.host = newHost(true) }

// config is good for any guest.
func (r *rig) config(g Guest) function.Config {
	return function.Config{
		Name: "conformance", Namespace: "default", ID: "w1",
		Path:           r.subject.Guests[g],
		Environment:    map[string]string{"NEX_GUEST": string(g)},
		Concurrency:    1,
		MemoryBytes:    256 << 20,
		MaxResultBytes: 8 << 20,
		Compiled:       r.compiled(g),
		KeepCompiled:   1 << 30,
		Host:           r.host,
		Log:            r.log.add,
	}
}

// load loads a guest and closes it when the check ends.
func (r *rig) load(g Guest, change ...func(*function.Config)) function.Runtime {
	r.Helper()
	cfg := r.config(g)
	for _, c := range change {
		c(&cfg)
	}
	// The ctx bounds loading alone: it is over before the first call.
	ctx, cancel := context.WithTimeout(context.Background(), loadPatience)
	defer cancel()
	rt, err := r.subject.Load(ctx, cfg)
	if err != nil {
		r.Fatalf("Load: %s", describe(err))
	}
	r.Cleanup(func() { r.close(rt) })
	r.keep(rt, cfg.Compiled)
	return rt
}

// compiled is the file for what is compiled of a guest.
func (r *rig) compiled(g Guest) string {
	return filepath.Join(r.cache, fmt.Sprintf("%x", sha256.Sum256([]byte(r.subject.Guests[g]))))
}

// keep keeps what was compiled, for the checks to come, unless path is empty.
func (r *rig) keep(rt function.Runtime, path string) {
	r.Helper()
	c, ok := rt.(function.Compiler)
	if !ok {
		return
	}
	content := c.Compiled()
	if content == nil || path == "" {
		return
	}
	if c.Compiled() != nil {
		r.Error("what was compiled is there a second time")
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		r.Fatal(err)
	}
}

// close closes the runtime, which must not take for ever.
func (r *rig) close(rt function.Runtime) {
	r.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		rt.Close()
	}()
	r.await("Close", done)
}

func (r *rig) await(what string, done <-chan struct{}) {
	r.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		r.Fatalf("%s does not end", what)
	}
}

// pending is a call under way.
type pending struct {
	r      *rig
	done   chan struct{}
	result function.Result // from here on set when done is closed
	err    error
	ended  time.Time
}

// begin calls the function in a goroutine of its own.
func (r *rig) begin(ctx context.Context, rt function.Runtime, c function.Call) *pending {
	c.ID = fmt.Sprintf("call-%d", r.calls.Add(1))
	if c.Subject == "" {
		c.Subject = "test.subject"
	}
	var cancel context.CancelFunc = func() {}
	deadline, ok := ctx.Deadline()
	if !ok {
		ctx, cancel = context.WithTimeout(ctx, patience)
		deadline, _ = ctx.Deadline()
	}
	c.Deadline = deadline
	p := &pending{r: r, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		defer cancel()
		p.result, p.err = rt.Call(ctx, c)
		p.ended = time.Now()
	}()
	return p
}

func (r *rig) beginPayload(rt function.Runtime, payload string) *pending {
	return r.begin(context.Background(), rt, function.Call{Payload: []byte(payload)})
}

// wait waits for the call's end and returns what it returned.
func (p *pending) wait() (function.Result, error) {
	p.r.Helper()
	p.r.await("Call", p.done)
	return p.result, p.err
}

// call calls the function and wants it to succeed.
func (r *rig) call(rt function.Runtime, c function.Call) function.Result {
	r.Helper()
	result, err := r.begin(context.Background(), rt, c).wait()
	if err != nil {
		r.Fatalf("Call: %s", describe(err))
	}
	return result
}

// text calls the function with a payload and returns the reply's.
func (r *rig) text(rt function.Runtime, payload string) string {
	r.Helper()
	return string(r.call(rt, function.Call{Payload: []byte(payload)}).Payload)
}

// wantWell checks that a guest that does harm still works.
func (r *rig) wantWell(rt function.Runtime) {
	r.Helper()
	if got := r.text(rt, Well); got != Well {
		r.Errorf("the reply to a good call afterwards = %.100q, want %q", got, Well)
	}
}

// wantFailed checks that an error is one for the function's caller with a status in the range, and
// returns it.
func (r *rig) wantFailed(err error, least, most int) *function.Error {
	r.Helper()
	var e *function.Error
	switch {
	case err == nil:
		r.Fatal("the call succeeds, want an error")
	case errors.Is(err, function.ErrStuck) || !errors.As(err, &e):
		r.Fatalf("the error is %T %v, want a *function.Error", err, err)
	case e.Status < least || e.Status > most:
		r.Errorf("the status of %s, want %d to %d", describe(err), least, most)
	}
	if e.Message == "" || strings.ContainsAny(e.Message, "\r\n") {
		r.Errorf("the error's message = %q, want one line", e.Message)
	}
	return e
}

// wantStatus is wantFailed with one status.
func (r *rig) wantStatus(err error, status int) *function.Error {
	r.Helper()
	return r.wantFailed(err, status, status)
}

// describe is an error with what its sentence does not say.
func describe(err error) string {
	if e, ok := errors.AsType[*function.Error](err); ok {
		return fmt.Sprintf("status %d, %q, stack %q", e.Status, e.Message, e.Stack)
	}
	return fmt.Sprintf("%T %v", err, err)
}
