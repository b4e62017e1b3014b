package wasm

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero/sys"

	"github.com/nex-engine/nex/internal/function"
	"github.com/nex-engine/nex/internal/hostapi"
)

// call is a call under way. It is the ctx that the engine is given, so that the host's functions find
// it there.
type call struct {
	context.Context
	slot *slot
	in   function.Call

	loading  bool // the function is being loaded
	starting bool // the instance is being made, and what it is made for does not concern it
	read     int  // bytes of the payload that a command has read

	reply       []byte
	header      function.Header
	headerBytes int
	failure     *function.Error  // as the function wants it
	answer      hostapi.Response // of the last host service request

	memoryRefused bool
}

type callKey struct{}

// Value returns the call itself for callKey.
func (c *call) Value(key any) any {
	if key == (callKey{}) {
		return c
	}
	return c.Context.Value(key)
}

func callOf(ctx context.Context) *call {
	return ctx.Value(callKey{}).(*call) // the engine is given no other ctx
}

// errStopped is what a function is ended with when its call is over.
var errStopped = errors.New("it was stopped")

// goOn ends the function if its call is over.
func (c *call) goOn() {
	if c.Err() != nil {
		panic(errStopped) // the engine recovers
	}
}

// addReply appends to the reply.
func (c *call) addReply(b []byte) {
	if most := c.slot.runtime.cfg.MaxResultBytes; len(b) > most-len(c.reply) {
		panic(function.TooLarge(len(c.reply)+len(b), most)) // stops the function; outcome finds it
	}
	c.reply = append(c.reply, b...)
}

// errNoMemory means that the system has no memory left for an instance.
var errNoMemory = errors.New("the machine has no memory left for it")

// outcome makes of what the engine has returned what the caller of the function is told.
func (c *call) outcome(err error) error {
	var exit *sys.ExitError
	ended := err == nil
	if errors.As(err, &exit) {
		ended = exit.ExitCode() == 0 && !c.slot.runtime.reactor
	}
	switch {
	case c.Err() != nil && (!ended || c.failure != nil):
		return function.Stopped(c.Context) // what it says is because of that
	case c.failure != nil && (err == nil || exit != nil):
		return c.failure
	case ended:
		return nil
	case exit != nil:
		return c.failed("exited", fmt.Sprintf(" with status %d", int32(exit.ExitCode())), "")
	}
	if e, ok := errors.AsType[*function.Error](err); ok {
		return e
	}
	why, stack := trap(err)
	return c.failed("trapped", ": "+why, stack)
}

// failed is the error of a function that has ended badly: what it did, and how or why. When it is only
// being loaded that is because of the artifact.
func (c *call) failed(did, why, stack string) *function.Error {
	status, message := function.StatusFailed, "the function "+did+why
	if c.loading {
		status, message = function.StatusBadRequest, "the module cannot be used: the function "+did+" before its first call"+why
	}
	if c.memoryRefused {
		message += fmt.Sprintf(", after it had asked for more memory than the %s it may have", mebibytes(c.slot.runtime.memory.limit))
	}
	return &function.Error{Status: status, Message: sentence(message), Stack: stack}
}

// trap tells from an error of the engine why the function was ended, and where.
func trap(err error) (why, stack string) {
	text, stack, _ := strings.Cut(err.Error(), "\nwasm stack trace:\n")
	if strings.HasPrefix(text, "start function[") { // of the module, not _start
		_, text, _ = strings.Cut(text, " failed: ")
	}
	text = strings.TrimSuffix(strings.TrimPrefix(text, "wasm error: "), " (recovered by wazero)")
	stack, _, _ = strings.Cut(stack, "\n\nGo runtime stack trace:")
	var frames []string
	for line := range strings.Lines(stack) {
		frames = append(frames, "    at "+strings.TrimSpace(line))
	}
	return text, strings.Join(frames, "\n")
}
