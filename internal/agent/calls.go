package agent

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/function"
)

// queuedCall is a call that waits for its turn.
type queuedCall struct {
	function.Call
	answer func(agentlink.Answer)
}

// take queues a call, or refuses it when too many wait. It does not block.
func (f *functionWork) take(t agentlink.Trigger, answer func(agentlink.Answer)) {
	call := queuedCall{
		Call:   function.Call{ID: t.ID, Subject: t.Subject, Header: t.Header, Payload: t.Payload, Deadline: time.Now().Add(t.Timeout)},
		answer: answer,
	}
	if refusal := f.admit(call); refusal != "" {
		answer(agentlink.Answer{Status: function.StatusUnavailable, Message: refusal})
	}
}

// admit queues a call, or says why not.
func (f *functionWork) admit(call queuedCall) (refusal string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.leaving:
		return "the function is stopping"
	case f.underway == cap(f.queue):
		return "the function has too many calls waiting: try again"
	}
	f.underway++
	f.calls.Add(1)
	f.queue <- call // which has room
	return ""
}

// leave takes no more calls.
func (f *functionWork) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.leaving = true
}

// answered returns a channel that is closed when all calls are answered. It is called after leave.
func (f *functionWork) answered() <-chan struct{} {
	done := make(chan struct{})
	go func() {
		f.calls.Wait()
		close(done)
	}()
	return done
}

// settle answers a call that was taken.
func (f *functionWork) settle(call queuedCall, a agentlink.Answer) {
	f.mu.Lock()
	f.underway-- // first, since with the answer the node may send the next call
	f.mu.Unlock()
	call.answer(a)
	f.calls.Done()
}

// work runs one call after the other, and in the end answers those that wait.
func (f *functionWork) work() {
	for {
		select {
		case call := <-f.queue:
			f.memory.enter()
			a, err := f.call(call.Call)
			f.memory.leave()
			f.settle(call, a)
			if errors.Is(err, function.ErrStuck) {
				f.stick()
			}
		case <-f.ctx.Done():
			f.turnAway()
			return
		}
	}
}

// turnAway answers the calls that wait when the function ends.
func (f *functionWork) turnAway() {
	for {
		select {
		case call := <-f.queue:
			f.settle(call, failed(f.ending()))
		default:
			return
		}
	}
}

// ending is why calls end with the function; nil while it goes on.
func (f *functionWork) ending() (e *function.Error) {
	errors.As(context.Cause(f.ctx), &e)
	return e
}

func failed(e *function.Error) agentlink.Answer {
	return agentlink.Answer{Status: e.Status, Message: e.Message}
}

// stick says that a call cannot be stopped.
func (f *functionWork) stick() {
	select {
	case f.stuck <- struct{}{}:
	default: // one is enough
	}
}

// call runs one call. The error is what the runtime said.
func (f *functionWork) call(c function.Call) (agentlink.Answer, error) {
	ctx, cancel := context.WithDeadline(f.ctx, c.Deadline)
	defer cancel()
	switch {
	case f.ctx.Err() != nil:
		return failed(f.ending()), nil
	case ctx.Err() != nil:
		return agentlink.Answer{Status: function.StatusTimeout, Message: "the function's earlier calls took so long that this one did not start before its deadline"}, nil
	}
	result, err := f.guarded(ctx, c)
	if err == nil {
		err = checkHeader(result.Header)
	}
	if err == nil {
		return agentlink.Answer{Header: result.Header, Payload: result.Payload}, nil
	}
	failure := f.failure(ctx, err)
	f.report(c, failure)
	return failed(failure), err
}

// failure is what the caller of a call that failed gets.
func (f *functionWork) failure(ctx context.Context, err error) (failure *function.Error) {
	switch {
	case f.ctx.Err() != nil:
		return f.ending()
	case errors.Is(err, function.ErrStuck):
		return function.Stopped(ctx)
	case errors.As(err, &failure):
		return failure
	}
	return function.Errorf(function.StatusFailed, "%v", err)
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
	err := agentlink.CheckAnswerHeader(h)
	if errors.Is(err, agentlink.ErrHeadersTooLarge) {
		return function.Errorf(function.StatusTooLarge, "the function's result cannot be sent: %v", err)
	}
	if err != nil {
		return function.Errorf(function.StatusFailed, "the function's result cannot be sent: %v", err)
	}
	return nil
}

// report puts a failure into the function's log. What the function chose to answer is not one.
func (f *functionWork) report(c function.Call, e *function.Error) {
	chosen := e.Status < function.StatusFailed && e.Status != function.StatusTimeout && e.Status != function.StatusTooLarge
	if chosen {
		return
	}
	f.printError(fmt.Sprintf("call %s on %s failed: %s", c.ID, c.Subject, e.Message))
	f.printError(e.Stack)
}
