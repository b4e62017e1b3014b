//go:build cgo && linux && (amd64 || arm64)

package javascript

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	v8 "github.com/tommie/v8go"

	"github.com/nex-engine/nex/internal/function"
)

// engine is a goroutine that owns an isolate. One caller at a time gives it a task and waits for its
// outcome; the caller is the one who stops it. So the caller is free to go when the task cannot be
// stopped, and the engine is then left behind.
type engine struct {
	cfg     *function.Config
	program *program
	closing <-chan struct{}
	times   times

	tasks   chan task // with room for one
	outcome chan outcome
	ended   chan struct{}

	vm    *vm // nil while there is none; the goroutine's own, as calls is
	calls int

	mu         sync.Mutex
	iso        *v8.Isolate        // what to stop; nil while there is none
	cancelHost context.CancelFunc // ends the requests of the task; nil while there are none
	stopping   bool               // the task is to end
}

// task is what an engine does. Every task begins with making the isolate if there is none.
type task struct {
	kind taskKind
	ctx  context.Context
	call function.Call
}

type taskKind int

const (
	taskLoad   taskKind = iota // make the isolate
	taskCall                   // call the function
	taskTidy                   // collect garbage, and replace the isolate if that is not enough
	taskReload                 // replace the isolate
)

// outcome is how a task ended.
type outcome struct {
	result function.Result
	err    error
	after  taskKind // what the engine needs before its next call: taskTidy, taskReload, or taskCall for nothing
}

func newEngine(cfg *function.Config, p *program, closing <-chan struct{}, times times) *engine {
	e := &engine{
		cfg: cfg, program: p, closing: closing, times: times,
		tasks: make(chan task, 1), outcome: make(chan outcome, 1), ended: make(chan struct{}),
	}
	go e.run()
	return e
}

// do gives the engine a task, waits for its outcome, and stops it when ctx ends or the runtime is
// closed. The error is function.ErrStuck: the engine cannot be used or closed any more. One goroutine
// at a time calls it.
func (e *engine) do(t task) (outcome, error) {
	e.mu.Lock()
	e.stopping = false
	e.mu.Unlock()
	e.tasks <- t
	select {
	case o := <-e.outcome:
		return o, nil
	case <-t.ctx.Done():
	case <-e.closing:
	}
	return e.stop()
}

// stop ends the task that is under way.
//
// V8 forgets that it is to stop when the isolate is being entered at that moment, so it is told again,
// ever more rarely, until the task has ended.
func (e *engine) stop() (outcome, error) {
	again := time.NewTimer(time.Hour)
	defer again.Stop()
	deadline := time.Now().Add(function.StopWithin)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		e.terminate()
		left := time.Until(deadline)
		if left <= 0 {
			return outcome{}, fmt.Errorf("javascript: %w within %s", function.ErrStuck, function.StopWithin)
		}
		again.Reset(min(pause, left))
		select {
		case o := <-e.outcome:
			o.after = taskReload // V8 may have been told to stop after the task had ended
			return o, nil
		case <-again.C:
		}
	}
}

func (e *engine) terminate() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stopping = true
	if e.iso != nil {
		e.iso.TerminateExecution()
	}
	if e.cancelHost != nil {
		e.cancelHost()
	}
}

// close ends the engine, which has nothing to do, and waits for that.
func (e *engine) close() {
	close(e.tasks)
	<-e.ended
}

// run does the tasks until the engine is closed.
func (e *engine) run() {
	defer close(e.ended)
	defer e.drop()
	for {
		t, ok := e.next()
		if !ok {
			return
		}
		w := &work{ctx: t.ctx, closing: e.closing, onCancel: e.setCancel}
		o := e.perform(t, w)
		e.setCancel(nil)
		if w.requests != nil {
			w.requests.group.Wait() // no request outlives its call
		}
		e.outcome <- o
	}
}

// next waits for a task. An isolate that is idle for long gives its memory back.
func (e *engine) next() (task, bool) {
	if e.vm == nil || len(e.vm.box.data()) <= mailboxSize {
		t, ok := <-e.tasks
		return t, ok
	}
	timer := time.NewTimer(e.times.shrink)
	defer timer.Stop()
	select {
	case t, ok := <-e.tasks:
		return t, ok
	case <-timer.C:
	}
	if e.vm.resize(mailboxSize) != nil || e.vm.enter(opGC) != nil {
		e.drop()
	}
	t, ok := <-e.tasks
	return t, ok
}

// perform does one task.
func (e *engine) perform(t task, w *work) outcome {
	if t.kind == taskTidy && e.vm != nil && !e.vm.tidy() {
		e.drop()
	}
	if t.kind == taskReload {
		e.drop()
	}
	if e.vm == nil {
		if err := e.load(w); err != nil {
			e.drop()
			if t.kind == taskCall {
				err = loadFailed(err)
			}
			return outcome{err: err, after: taskCall}
		}
	}
	if t.kind != taskCall {
		return outcome{after: taskCall}
	}
	return e.call(t, w)
}

// loadFailed is the error of a call for which an isolate could not be made: the fault is not the
// caller's, as a status of 400 would say.
func loadFailed(err error) error {
	e, ok := errors.AsType[*function.Error](err)
	if !ok || e.Status != function.StatusBadRequest {
		return err
	}
	failed := *e
	failed.Status = function.StatusFailed
	failed.Message = "the function had to be loaded anew, and this failed: " + e.Message
	return &failed
}

// The heap is looked at after calls that failed or took long enough to fill it, and after some of the
// others, for most of which looking would be a good part of what they cost.
const (
	lookEvery = 16
	lookAfter = time.Millisecond
)

func (e *engine) call(t task, w *work) outcome {
	began := time.Now()
	result, err := e.vm.call(t.call, w)
	after := taskCall
	e.calls++
	if err != nil || e.calls%lookEvery == 0 || time.Since(began) > lookAfter {
		switch e.vm.health() {
		case full:
			after = taskTidy
		case broken:
			after = taskReload
		}
	}
	if !errors.Is(err, errStopped) {
		// Requests to host services end at the same moment as the call, whose script may be told so first.
		if err != nil && w.ctx.Err() != nil {
			err = e.stopped(w)
		}
		return outcome{result: result, err: err, after: after}
	}
	if stopped := e.stopped(w); stopped != nil {
		return outcome{err: stopped, after: taskReload}
	}
	if e.vm.health() == broken {
		return outcome{err: errMemory(e.cfg), after: taskReload}
	}
	return outcome{err: function.Errorf(function.StatusFailed, "V8 has ended the call"), after: taskReload}
}

// errMemory is the error of a function that has reached its limit.
func errMemory(cfg *function.Config) *function.Error {
	return function.Errorf(function.StatusFailed, "the function needed more than the %d MiB of memory that it may have and was stopped",
		max(cfg.MemoryBytes, MinMemoryBytes)>>20)
}

// stopped is the error of work whose time is over; nil if it is not.
func (e *engine) stopped(w *work) *function.Error {
	select {
	case <-e.closing:
		return errClosed
	default:
	}
	if w.ctx.Err() != nil {
		return function.Stopped(w.ctx)
	}
	return nil
}

// load makes the isolate.
func (e *engine) load(w *work) error {
	iso := newIsolate(e.cfg.MemoryBytes)
	e.vm = newVM(e.cfg, e.program, iso)
	e.setIsolate(iso)
	err := e.vm.load(w)
	if err == nil {
		return nil
	}
	if stopped := e.stopped(w); stopped != nil {
		return stopped
	}
	if e.vm.health() == broken {
		return errMemory(e.cfg)
	}
	return e.program.loadError(err)
}

// drop frees the isolate if there is one.
func (e *engine) drop() {
	e.setIsolate(nil)
	if e.vm != nil {
		e.vm.dispose()
		e.vm = nil
	}
}

func (e *engine) setIsolate(iso *v8.Isolate) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.iso = iso
}

// setCancel notes what ends the requests of the task, and ends them at once if the task is to end.
func (e *engine) setCancel(cancel context.CancelFunc) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cancelHost != nil {
		e.cancelHost()
	}
	e.cancelHost = cancel
	if cancel != nil && e.stopping {
		cancel()
	}
}
