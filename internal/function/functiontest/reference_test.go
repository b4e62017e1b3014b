package functiontest_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"runtime/debug"
	"sync"

	"github.com/nex-engine/nex/internal/function"
)

// reference is a runtime whose functions are Go functions: the artifact is the name of one. A flaw
// makes it break the contract in one point.
type reference struct {
	cfg   function.Config
	guest guest
	flaw  string
	slots chan struct{}

	closing context.Context
	close   context.CancelFunc
	mu      sync.Mutex // so that no call begins while Close waits for the calls
	running sync.WaitGroup

	calls    int      // what the guest State remembers
	poisoned bool     // flaw
	kept     [][]byte // flaw
}

func loader(flaw string) function.Loader {
	return func(ctx context.Context, cfg function.Config) (function.Runtime, error) {
		if ctx.Err() != nil && flaw != "loads for ever" {
			return nil, function.Stopped(ctx)
		}
		name, err := os.ReadFile(cfg.Path)
		g, ok := guests[string(name)]
		switch {
		case flaw == "loads anything" && !ok:
			g = guests["echo"]
		case err != nil || !ok:
			return nil, function.Errorf(function.StatusBadRequest, "%s names no function; write the name of one into it", cfg.Path)
		}
		r := &reference{cfg: cfg, guest: g, flaw: flaw, slots: make(chan struct{}, cfg.Concurrency)}
		if flaw == "has no limit" {
			r.slots = make(chan struct{}, 100)
		}
		r.closing, r.close = context.WithCancel(context.Background())
		if flaw == "leaves a goroutine" {
			go func() { select {} }()
		}
		return r, nil
	}
}

func (r *reference) Call(ctx context.Context, c function.Call) (function.Result, error) {
	if !r.enter() {
		return function.Result{}, function.Errorf(function.StatusUnavailable, "the function has been closed")
	}
	defer r.running.Done()
	if r.flaw != "ignores Close" {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(r.closing, cancel)()
	}
	over := ctx.Done()
	if r.flaw == "begins too late" {
		over = nil
	} else if ctx.Err() != nil {
		return function.Result{}, function.Stopped(ctx)
	}
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-over:
		return function.Result{}, function.Stopped(ctx)
	}
	var result function.Result
	var err error
	if r.closing.Err() == nil || r.flaw != "" { // the slot may be that of a call that Close has ended
		result, err = r.run(ctx, c)
	}
	if ctx.Err() != nil || r.closing.Err() != nil && r.flaw == "" {
		return function.Result{}, r.stopped(ctx)
	}
	if n := len(result.Payload); n > r.cfg.MaxResultBytes && r.flaw != "sends anything" {
		return function.Result{}, function.TooLarge(n, r.cfg.MaxResultBytes)
	}
	return r.spoil(c, result), err
}

func (r *reference) enter() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closing.Err() != nil && r.flaw != "works when closed" {
		return false
	}
	r.running.Add(1)
	return true
}

// run calls the guest. What it panics with is its own error.
func (r *reference) run(ctx context.Context, c function.Call) (_ function.Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			r.poisoned = r.flaw == "is poisoned"
			err = r.thrown(string(debug.Stack()))
		}
	}()
	if r.poisoned {
		return function.Result{}, function.Errorf(function.StatusFailed, "the function has failed before")
	}
	return r.guest(ctx, r, c)
}

func (r *reference) Close() {
	r.mu.Lock()
	r.close()
	r.mu.Unlock()
	if r.flaw != "ignores Close" {
		r.running.Wait()
	}
}

func (r *reference) env(name string) string {
	if r.flaw == "shows its environment" {
		return os.Getenv(name)
	}
	return r.cfg.Environment[name]
}

func (r *reference) stopped(ctx context.Context) error {
	if r.flaw == "hides the deadline" {
		return function.Errorf(function.StatusUnavailable, "it has ended")
	}
	return function.Stopped(ctx)
}

func (r *reference) thrown(stack string) error {
	switch r.flaw {
	case "throws its own error":
		return errors.New("thrown")
	case "throws lines":
		return function.Errorf(function.StatusFailed, "thrown\n%s", stack)
	case "throws no stack":
		stack = ""
	}
	return &function.Error{Status: function.StatusFailed, Message: "the function panicked", Stack: stack}
}

// spoil gives the result the flaw, if it is one of results.
func (r *reference) spoil(c function.Call, result function.Result) function.Result {
	switch r.flaw {
	case "returns text":
		result.Payload = bytes.ToValidUTF8(result.Payload, []byte("?"))
	case "returns the payload itself":
		if bytes.Equal(result.Payload, c.Payload) {
			result.Payload = c.Payload
		}
	case "loses headers":
		result.Header = nil
	case "keeps payloads":
		r.kept = append(r.kept, result.Payload)
	}
	return result
}
