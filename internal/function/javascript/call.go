//go:build cgo && linux && (amd64 || arm64)

package javascript

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/nex-engine/nex/internal/function"
)

// work is what an isolate is doing: a call, or loading the function.
type work struct {
	ctx     context.Context
	closing <-chan struct{} // closed when the runtime is
	// onCancel is given what ends the context of the work's requests, once there is one.
	onCancel func(context.CancelFunc)
	requests *requests // nil until there was one
}

// hostRequests returns the requests of the work.
func (w *work) hostRequests() *requests {
	if w.requests == nil {
		ctx, cancel := context.WithCancel(w.ctx)
		w.requests = newRequests(ctx)
		w.onCancel(cancel)
	}
	return w.requests
}

// errStopped means that V8 has stopped the isolate or was asked to: because the work's time is over,
// or because the heap is full. Which of them it was is for the caller to find out.
var errStopped = errors.New("the isolate was stopped")

var errNeverSettles = function.Errorf(function.StatusFailed,
	"the function's promise can never settle: nothing is left that it could wait for, no timer and no host service request")

// call runs the function once. The error is errStopped, or the function's own.
func (v *vm) call(c function.Call, w *work) (function.Result, error) {
	v.work = w
	defer func() { v.work = nil }()
	if err := v.putCall(c); err != nil {
		return function.Result{}, err
	}
	if err := v.enter(opCall); err != nil {
		return function.Result{}, errStopped
	}
	for v.box.word(wordStatus) == statusPending {
		if v.stopped() {
			return function.Result{}, errStopped
		}
		if err := v.await(); err != nil {
			return function.Result{}, err
		}
	}
	if v.box.word(wordStatus) == statusDone {
		v.subject = c.Subject
	}
	return v.result()
}

// stopped reports whether V8 was stopped while it ran what promises had left to do, of which it says
// nothing.
func (v *vm) stopped() bool {
	select {
	case <-v.work.closing:
		return true
	default:
	}
	return v.work.ctx.Err() != nil || v.iso.GetHeapStatistics().HeapSizeLimit > v.heap
}

// putCall writes the call into the mailbox: id, subject, headers, payload.
func (v *vm) putCall(c function.Call) error {
	var header []byte
	if len(c.Header) > 0 {
		var err error
		if header, err = json.Marshal(c.Header); err != nil {
			return err // not so: it is strings
		}
	}
	subject := c.Subject
	subjectSize := len(subject)
	if subject == v.subject && subject != "" {
		subject, subjectSize = "", -1
	}
	if err := v.reserve(len(c.ID) + len(subject) + len(header) + len(c.Payload)); err != nil {
		if errors.Is(err, errMailbox) {
			return function.Errorf(function.StatusFailed, "the payload has %d bytes, for which there is not enough memory", len(c.Payload))
		}
		return errStopped
	}
	v.subject = "" // until it is certain that the isolate has taken it
	data := v.box.data()
	n := copy(data, c.ID)
	n += copy(data[n:], subject)
	n += copy(data[n:], header)
	copy(data[n:], c.Payload)
	v.box.setWord(wordA, len(c.ID))
	v.box.setWord(wordB, subjectSize)
	v.box.setWord(wordC, len(header))
	v.box.setWord(wordD, len(c.Payload))
	v.box.setNumber(numberDeadline, float64(c.Deadline.UnixMilli()))
	return nil
}

// await waits for the next thing to happen and lets the isolate handle it.
func (v *vm) await() error {
	next, open := v.box.number(numberNext), 0
	var done <-chan answer
	if r := v.work.requests; r != nil {
		done, open = r.done, r.open
	}
	var due <-chan time.Time
	switch {
	case !math.IsInf(next, 1):
		timer := time.NewTimer(time.Duration(min(next-v.now(), float64(24*time.Hour/time.Millisecond)) * float64(time.Millisecond)))
		defer timer.Stop()
		due = timer.C
	case open == 0:
		return errNeverSettles
	}
	select {
	case <-due:
		v.box.setNumber(numberNow, v.now())
		if v.enter(opTimer) != nil {
			return errStopped
		}
		return nil
	case a := <-done:
		return v.complete(a)
	case <-v.work.ctx.Done():
		return errStopped
	case <-v.work.closing:
		return errStopped
	}
}

// complete gives the isolate the answer to a request that it has started.
func (v *vm) complete(a answer) error {
	v.work.requests.open--
	if err := v.reserve(len(a.meta) + len(a.body)); err != nil {
		if errors.Is(err, errMailbox) {
			return function.Errorf(function.StatusFailed, "a host service answered with %d bytes, for which there is not enough memory", len(a.body))
		}
		return errStopped
	}
	v.put(a)
	if v.enter(opComplete) != nil {
		return errStopped
	}
	return nil
}

// result takes the result of the call out of the mailbox.
func (v *vm) result() (function.Result, error) {
	size, headerSize := v.box.word(wordA), v.box.word(wordB)
	data := v.box.data()
	switch v.box.word(wordStatus) {
	case statusDone:
		r := function.Result{Payload: append([]byte{}, data[:size]...)}
		if headerSize == 0 {
			return r, nil
		}
		var err error
		r.Header, err = decodeHeader(data[size : size+headerSize])
		return r, err
	case statusLarge:
		return function.Result{}, function.TooLarge(int(v.box.number(numberSize)), v.cfg.MaxResultBytes)
	case statusFailed:
		return function.Result{}, v.program.exception(data[:size])
	}
	panic(fmt.Sprintf("javascript: the isolate is in state %d", v.box.word(wordStatus)))
}
