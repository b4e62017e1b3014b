package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agent/logpump"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/function"
)

// functionWork is a function that answers calls.
type functionWork struct {
	log     *slog.Logger
	runtime function.Runtime
	memory  *memoryWatch

	ctx     context.Context // of the calls
	cancel  context.CancelFunc
	queue   chan queuedCall
	workers sync.WaitGroup
	stuck   chan struct{}  // has a token when a call cannot be stopped

	mu      sync.RWMutex // held for reading to join calls, and for writing to set leaving
	leaving bool
	calls   sync.WaitGroup // those that were taken and are not answered yet

	pump    *logpump.Pump
	printed chan struct{} // closed when nothing more is printed
	logged  chan struct{} // closed when the function's log has been sent
}

// queuedCall is a call that waits for its turn.
type queuedCall struct {
	function.Call
	answer func(agentlink.Answer)
}

var _ work = (*functionWork)(nil)

// load loads a function and starts what runs its calls; the caller must call its attend.
func (a *agent) load(ctx context.Context, d agentlink.Deploy, load function.Loader) (work, error) {
	if d.Function == nil || d.Function.Concurrency < 1 || d.Function.Queue < 0 {
		return nil, nex.Errorf(nex.CodeInternal, "workload %s was not started: the node did not say how the function runs", d.Name)
	}
	f := &functionWork{
		log:     a.cfg.Logger.With(attrWorkload, d.WorkloadID),
		memory:  newMemoryWatch(d.Function.ProcessBytes, a.conn.Usage),
		queue:   make(chan queuedCall, d.Function.Concurrency+d.Function.Queue),
		stuck:   make(chan struct{}, 1),
		pump:    logpump.New(d.WorkloadID, a.conn.Logs),
		printed: make(chan struct{}),
		logged:  make(chan struct{}),
	}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	go f.carryLog()
	if err := f.open(ctx, a, d, load); err != nil {
		f.cancel()
		f.drain()
		f.memory.close()
		return nil, err
	}
	for range d.Function.Concurrency {
		f.workers.Go(f.work)
	}
	a.calls.Store(f)
	a.cfg.Logger.Info("function loaded", attrWorkload, d.WorkloadID)
	return f, nil
}

// loadTimeout bounds loading a function. It is less than the node waits for an agent, which could not
// say why it took so long.
const loadTimeout = 20 * time.Second

// open loads the function while its memory is watched.
func (f *functionWork) open(ctx context.Context, a *agent, d agentlink.Deploy, load function.Loader) error {
	f.memory.enter()
	defer f.memory.leave()
	ctx, release := context.WithTimeout(ctx, loadTimeout)
	defer release()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(f.memory.ctx, func() { cancel(errMemory) })()
	type loaded struct {
		runtime function.Runtime
		err     error
	}
	done := make(chan loaded, 1) // a load that cannot be stopped is left behind: the agent ends soon
	go func() {
		r, err := load(ctx, a.functionConfig(d, f.print))
		done <- loaded{r, err}
	}()
	var got loaded
	select {
	case got = <-done:
	case <-f.memory.ctx.Done():
		got.err = errMemory
	}
	if got.err == nil {
		f.runtime = got.runtime
		return nil
	}
	var refusal *function.Error
	if !errors.As(got.err, &refusal) {
		return nex.Errorf(nex.CodeStartFailed, "function %s could not be loaded: %v", d.Name, got.err)
	}
	f.printError(refusal.Stack)
	code := nex.CodeInvalidFunction
	if refusal.Status != function.StatusBadRequest {
		code = nex.CodeStartFailed
	}
	return nex.Errorf(code, "function %s could not be loaded: %s", d.Name, refusal.Message)
}

func (a *agent) functionConfig(d agentlink.Deploy, print func(function.LogLine)) function.Config {
	return function.Config{
		Name: d.Name, Namespace: d.Namespace, ID: d.WorkloadID, Path: d.Path,
		Environment: a.functionEnvironment(d),
		Concurrency: d.Function.Concurrency, MemoryBytes: d.Function.MemoryBytes,
		MaxResultBytes: min(d.Function.MaxResultBytes, agentlink.MaxPayloadBytes), CacheDir: d.Function.CacheDir,
		Host: a.conn, Log: print,
	}
}

// take queues a call, or refuses it when too many wait. It does not block.
func (f *functionWork) take(t agentlink.Trigger, answer func(agentlink.Answer)) {
	call := queuedCall{
		Call:   function.Call{ID: t.ID, Subject: t.Subject, Header: t.Header, Payload: t.Payload, Deadline: time.Now().Add(t.Timeout)},
		answer: answer,
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.leaving {
		answer(agentlink.Answer{Status: function.StatusUnavailable, Message: "the function is stopping"})
		return
	}
	f.calls.Add(1)
	select {
	case f.queue <- call:
	default:
		f.calls.Done()
		answer(agentlink.Answer{Status: function.StatusUnavailable, Message: "the function has too many calls waiting: try again"})
	}
}

// work runs one call after the other.
func (f *functionWork) work() {
	for {
		select {
		case call := <-f.queue:
			f.memory.enter()
			call.answer(f.call(call.Call))
			f.memory.leave()
			f.calls.Done()
		case <-f.ctx.Done():
			return
		}
	}
}

// call runs one call.
func (f *functionWork) call(c function.Call) agentlink.Answer {
	ctx, cancel := context.WithDeadline(f.ctx, c.Deadline)
	defer cancel()
	if ctx.Err() != nil {
		return agentlink.Answer{Status: function.StatusTimeout, Message: "the function's earlier calls took so long that this one did not start before its deadline"}
	}
	result, err := f.guarded(ctx, c)
	if err == nil {
		err = checkHeader(result.Header)
	}
	if err == nil {
		return agentlink.Answer{Header: result.Header, Payload: result.Payload}
	}
	var failure *function.Error
	switch {
	case errors.Is(err, function.ErrStuck):
		failure = function.Stopped(ctx)
		select {
		case f.stuck <- struct{}{}:
		default: // one is enough
		}
	case !errors.As(err, &failure):
		failure = function.Errorf(function.StatusFailed, "%v", err)
	}
	f.report(c, failure)
	return agentlink.Answer{Status: failure.Status, Message: failure.Message}
}

// guarded calls the runtime; its mistakes are not the agent's end.
func (f *functionWork) guarded(ctx context.Context, c function.Call) (result function.Result, err error) {
	defer func() {
		if r := recover(); r != nil {
			f.log.Error("the runtime panicked", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			err = function.Errorf(function.StatusFailed, "the function's runtime failed")
		}
	}()
	return f.runtime.Call(ctx, c)
}

func checkHeader(h function.Header) error {
	for name, values := range h {
		for _, value := range values {
			if err := agentlink.CheckHeader(name, value); err != nil {
				return function.Errorf(function.StatusFailed, "the function's result cannot be sent: %v", err)
			}
		}
	}
	return nil
}

// report puts a failure into the function's log. What the function chose to answer is not one.
func (f *functionWork) report(c function.Call, e *function.Error) {
	if e.Stack == "" && (e.Status == function.StatusBadRequest || e.Status == function.StatusNotFound) {
		return
	}
	f.printError(fmt.Sprintf("call %s on %s failed: %s", c.ID, c.Subject, e.Message))
	f.printError(e.Stack)
}

func (f *functionWork) printError(text string) {
	for line := range strings.Lines(text) {
		f.print(function.LogLine{Level: slog.LevelError, Stream: nex.StreamStderr, Text: strings.TrimRight(line, "\r\n")})
	}
}

func (f *functionWork) print(l function.LogLine) { f.pump.Print(l.Stream, l.Level, l.Text) }

func (f *functionWork) carryLog() {
	defer close(f.logged)
	f.pump.RunUntil(f.printed)
}

// pid implements work.
func (f *functionWork) pid() int { return os.Getpid() }

// errMemory is why a function has to go that takes too much.
var errMemory = errors.New("it takes more memory than the function may have")

// attend implements work. A stop lets the calls end that were taken, until the grace period is over.
func (f *functionWork) attend(ctx context.Context, stops <-chan time.Duration) (nex.Exit, error) {
	var exit nex.Exit
	var err error
	select {
	case grace := <-stops:
		f.finish(ctx, grace)
	case <-f.stuck:
		f.printError("a call could not be stopped: the agent ends, and the function starts again")
		exit = nex.Exit{Code: -1, Signal: "SIGKILL"}
	case <-f.memory.ctx.Done():
		f.printError("the function took more memory than it may have: the agent ends, and the function starts again")
		exit = nex.Exit{Code: -1, Signal: "SIGKILL", OOM: true}
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	f.cancel()
	if exit.Success() {
		f.close()
	}
	f.drain()
	f.memory.close()
	f.log.Info("function ended", "exit", exit.String())
	return exit, err
}

// finish takes no more calls and waits for those that were taken.
func (f *functionWork) finish(ctx context.Context, grace time.Duration) {
	f.mu.Lock()
	f.leaving = true
	f.mu.Unlock()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	done := make(chan struct{})
	go func() {
		f.calls.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// close ends the workers and the runtime. What does not end in time ends with the agent.
func (f *functionWork) close() {
	closed := make(chan struct{})
	go func() {
		f.runtime.Close()
		f.workers.Wait()
		close(closed)
	}()
	timer := time.NewTimer(2 * function.StopWithin)
	defer timer.Stop()
	select {
	case <-closed:
	case <-timer.C:
		f.log.Warn("the function's runtime did not end in time")
	}
}

// drain sends what is left of the log.
func (f *functionWork) drain() {
	close(f.printed)
	timer := time.NewTimer(drainTimeout)
	defer timer.Stop()
	select {
	case <-f.logged:
	case <-timer.C:
	}
}
