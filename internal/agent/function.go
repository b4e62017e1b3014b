package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	goruntime "runtime"
	"strings"
	"sync"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agent/logpump"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/function"
	"github.com/nex-engine/nex/internal/heapfloor"
)

// functionWork is a function that answers calls.
type functionWork struct {
	log     *slog.Logger
	runtime function.Runtime
	memory  *memoryWatch

	ctx     context.Context // of the calls; its cause is a function.Error
	cancel  context.CancelCauseFunc
	queue   chan queuedCall // has room for all calls that may be under way
	workers sync.WaitGroup
	stuck   chan struct{} // has a token when a call cannot be stopped

	mu       sync.Mutex
	underway int            // calls that may not be more than queue has room for
	leaving  bool           // no more are taken
	calls    sync.WaitGroup // those that were taken and are not answered yet

	compiled []byte // what the node is given; nil if there is nothing
	give     func(ctx context.Context, compiled []byte) error
	giving   sync.WaitGroup

	pump *logpump.Pump
}

var _ work = (*functionWork)(nil)

// load loads a function and starts what runs its calls; the caller must call its attend.
func (a *agent) load(ctx context.Context, d agentlink.Deploy, load function.Loader) (work, error) {
	if d.Function == nil || d.Function.Concurrency < 1 || d.Function.Queue < 0 {
		return nil, nex.Errorf(nex.CodeInternal, "workload %s was not started: the node did not say how the function runs", d.Name)
	}
	f := &functionWork{
		log:    a.cfg.Logger.With(attrWorkload, d.WorkloadID),
		memory: newMemoryWatch(d.Function.ProcessBytes, a.up.tellUsage),
		queue:  make(chan queuedCall, d.Function.Concurrency+d.Function.Queue),
		stuck:  make(chan struct{}, 1),
		give:   a.up.sendCompiled,
		pump:   a.openLog(d.WorkloadID),
	}
	f.ctx, f.cancel = context.WithCancelCause(context.Background())
	if err := f.open(ctx, a, d, load); err != nil {
		f.cancel(errStopped)
		f.pump.End()
		a.flush()
		f.memory.close()
		return nil, err
	}
	heapfloor.Raise(garbage)
	if d.Function.Processors > 0 {
		// With more threads than it may use at one time, the agent would wake them in vain for every call.
		goruntime.GOMAXPROCS(d.Function.Processors)
	}
	for range d.Function.Concurrency {
		f.workers.Go(f.work)
	}
	a.calls.Store(f)
	a.cfg.Logger.Info("function loaded", attrWorkload, d.WorkloadID)
	return f, nil
}

// garbage is how many bytes of it calls may leave on the Go heap before it is collected, at most: it is
// part of what an idle function keeps.
const garbage = 8 << 20

// loadTimeout bounds loading a function. It is less than the node waits for an agent, which could not
// say why it took so long.
const loadTimeout = 20 * time.Second

// open loads the function while its memory is watched.
func (f *functionWork) open(ctx context.Context, a *agent, d agentlink.Deploy, load function.Loader) error {
	f.memory.enter()
	defer f.memory.leave()
	ctx, release := context.WithTimeoutCause(ctx, loadTimeout, fmt.Errorf("it took longer than %s", loadTimeout))
	defer release()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(f.memory.ctx, func() { cancel(errMemory) })()
	runtime, err := loadWithin(ctx, load, a.functionConfig(d, f.print))
	if err == nil {
		f.runtime = runtime
		if c, ok := runtime.(function.Compiler); ok {
			f.compiled = c.Compiled()
		}
		return nil
	}
	code := nex.CodeStartFailed
	var refusal *function.Error
	switch {
	case errors.As(err, &refusal) && refusal.Status == function.StatusBadRequest:
		f.printError(refusal.Stack)
		code = nex.CodeInvalidFunction
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	}
	return nex.Errorf(code, "function %s could not be loaded: %v", d.Name, err)
}

// loadWithin loads a function while ctx lives. What does not end with it is left behind: the agent
// ends soon.
func loadWithin(ctx context.Context, load function.Loader, cfg function.Config) (function.Runtime, error) {
	type loaded struct {
		runtime function.Runtime
		err     error
	}
	done := make(chan loaded, 1)
	go func() {
		var l loaded
		defer func() {
			if r := recover(); r != nil {
				l.err = fmt.Errorf("its runtime failed: %v", r)
			}
			done <- l
		}()
		l.runtime, l.err = load(ctx, cfg)
	}()
	select {
	case l := <-done:
		return l.runtime, l.err
	case <-ctx.Done():
	}
	timer := time.NewTimer(function.StopWithin)
	defer timer.Stop()
	select {
	case l := <-done:
		if l.err != nil {
			return nil, l.err
		}
		l.runtime.Close()
	case <-timer.C:
	}
	return nil, context.Cause(ctx)
}

// giveCompiled gives the node what was compiled, beside the first calls.
func (f *functionWork) giveCompiled() {
	compiled := f.compiled
	f.compiled = nil
	if err := f.give(f.ctx, compiled); err != nil && f.ctx.Err() == nil {
		f.log.Warn("the next agent will have to compile the function again", attrError, err)
	}
}

func (a *agent) functionConfig(d agentlink.Deploy, print func(function.LogLine)) function.Config {
	return function.Config{
		Name: d.Name, Namespace: d.Namespace, ID: d.WorkloadID, Path: d.Path,
		Environment: a.functionEnvironment(d),
		Concurrency: d.Function.Concurrency, MemoryBytes: d.Function.MemoryBytes,
		MaxResultBytes: min(d.Function.MaxResultBytes, agentlink.MaxPayloadBytes), Compiled: d.Function.Compiled, KeepCompiled: agentlink.MaxCompiledBytes,
		Host: a.up, Log: print,
	}
}

func (f *functionWork) printError(text string) {
	for line := range strings.Lines(text) {
		f.print(function.LogLine{Level: slog.LevelError, Stream: nex.StreamStderr, Text: strings.TrimRight(line, "\r\n")})
	}
}

func (f *functionWork) print(l function.LogLine) { f.pump.Print(l.Stream, l.Level, l.Text) }

// reply implements work.
func (f *functionWork) reply() agentlink.DeployReply {
	return agentlink.DeployReply{PID: os.Getpid(), Compiled: f.compiled != nil}
}

// errMemory is why a function has to go that takes too much.
var errMemory = errors.New("it takes more memory than the function may have: deploy it with more --memory, or let it take less")

// Why calls end with the function.
var (
	errStopped = function.Errorf(function.StatusUnavailable, "the function was stopped before the call had ended")
	errBeside  = function.Errorf(function.StatusFailed, "the function was ended because another call of it could not be stopped")
	errKilled  = function.Errorf(function.StatusFailed, "the function was killed because memory ran out")
)

// ending is how a function ends.
type ending struct {
	calls *function.Error // what calls get that have not ended
	line  string          // for the log
	exit  nex.Exit
	err   error
}

// attend implements work.
func (f *functionWork) attend(ctx context.Context, stops <-chan time.Duration) (nex.Exit, error) {
	if f.compiled != nil {
		f.giving.Go(f.giveCompiled)
	}
	end := f.await(ctx, stops)
	f.leave()
	f.cancel(end.calls)
	if end.exit.Success() {
		f.close()
	}
	f.printError(end.line)
	f.pump.End()
	f.memory.close()
	f.giving.Wait()
	f.log.Info("function ended", "exit", end.exit.String())
	return end.exit, end.err
}

// await returns when the function has to end. A stop lets the calls end that were taken, until the
// grace period is over.
func (f *functionWork) await(ctx context.Context, stops <-chan time.Duration) ending {
	var end time.Time // of the grace period
	var timer <-chan time.Time
	var answered <-chan struct{}
	for {
		select {
		case grace := <-stops:
			if answered == nil {
				f.leave()
				answered = f.answered()
			}
			if until := time.Now().Add(grace); end.IsZero() || until.Before(end) {
				end, timer = until, time.After(grace)
			}
		case <-answered:
			return ending{calls: errStopped}
		case <-timer:
			return ending{calls: errStopped}
		case <-ctx.Done():
			return ending{calls: errStopped, err: context.Cause(ctx)}
		case <-f.stuck:
			return ending{
				calls: errBeside, exit: nex.Exit{Code: -1, Signal: "SIGKILL"},
				line: "a call could not be stopped: the agent ends, and the function starts again",
			}
		case <-f.memory.ctx.Done():
			return ending{
				calls: errKilled, exit: nex.Exit{Code: -1, Signal: "SIGKILL", OOM: true},
				line: "the function took more memory than it may have: the agent ends, and the function starts again",
			}
		}
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
