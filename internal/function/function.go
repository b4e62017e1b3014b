// Package function is the contract between an agent and the runtimes that run functions: JavaScript
// on V8 (package javascript) and WebAssembly on wazero (package wasm). Package functiontest holds the
// conformance suite that every runtime passes.
//
// A runtime loads one function and runs its calls. It knows nothing of NATS, triggers and queues: the
// agent hands it one [Call] per goroutine and carries what comes back.
package function

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nex-engine/nex/internal/hostapi"
)

// Header holds the headers of a message, by name as it was sent. A nil Header has none.
type Header = map[string][]string

// Call is one call of a function.
type Call struct {
	// ID is unique; it names the call in logs.
	ID string
	// Subject is the concrete subject of the message, never a wildcard.
	Subject string
	Header  Header
	// Payload belongs to the caller, who does not change it before the call returns. A runtime that
	// keeps it longer copies it.
	Payload []byte
	// Deadline is when the call's ctx ends; the function may look at it.
	Deadline time.Time
}

// Result is what a function returns: the reply, byte for byte.
type Result struct {
	Payload []byte // the caller's
	Header  Header
}

// Runtime runs the calls of one function.
type Runtime interface {
	// Call runs the function once. It is safe for concurrent use; of more than Config.Concurrency
	// calls at one time the others wait.
	//
	// The error is an [*Error], which tells the caller of the function what went wrong, or wraps
	// [ErrStuck]. When ctx ends the function is stopped, not left behind: Call returns within
	// [StopWithin] of that, with status 408 when its deadline has passed and 503 when it was
	// cancelled. A call that failed leaves nothing behind that a later call could notice.
	Call(ctx context.Context, c Call) (Result, error)
	// Close stops the calls that run, waits for them, and frees everything. A Call after it fails with
	// status 503. It may be called again.
	Close()
}

// Compiler is a Runtime that can keep what it has compiled for other loads of the same artifact.
type Compiler interface {
	Runtime
	// Compiled returns the content of a file for Config.Compiled. It is nil if Config.KeepCompiled did not
	// ask for it, or for less, if nothing had to be compiled, and the second time.
	Compiled() []byte
}

// StopWithin bounds how long a runtime takes to stop a call whose ctx has ended.
const StopWithin = time.Second

// ErrStuck means that a call could not be stopped within [StopWithin]: it goes on to use up the
// machine, and only the end of the process will end it.
var ErrStuck = errors.New("the function could not be stopped")

// Loader loads a function: it reads and compiles the artifact and finds out, as far as that is
// possible without calling it, that the function can run. The ctx bounds loading.
//
// A function that is not in order is refused with an [*Error] of status 400, whose Message is a
// sentence that says what is wrong with the artifact, where, and what to do.
type Loader func(ctx context.Context, cfg Config) (Runtime, error)

// Config is what a runtime is given. All fields are required unless they are marked optional.
type Config struct {
	// Name, Namespace and ID are the workload's; Name also names its code in stacks.
	Name, Namespace, ID string
	// Path is the artifact; it does not change.
	Path string
	// Environment is the function's; optional. It holds nothing of the agent's own.
	Environment map[string]string
	// Concurrency is how many calls may run at one time, at least 1. A runtime makes what it needs for
	// more than one when it is first needed.
	Concurrency int
	// MemoryBytes bounds what one call, or the instance that it runs in, may use.
	MemoryBytes int64
	// MaxResultBytes bounds a result's payload; a larger one fails with status 413.
	MaxResultBytes int
	// Compiled is a file with what an earlier Load of the artifact has compiled, which the runtime runs if it
	// fits and does without otherwise; optional. What is in it is believed: only its damage is noticed.
	Compiled string
	// KeepCompiled is how many bytes of what Load has to compile are wanted for the loads to come; see
	// [Compiler]. Optional; 0 means that it is not wanted.
	KeepCompiled int64
	// Host answers host service requests.
	Host Host
	// Log takes what the function prints. It is safe for concurrent use and does not block for long.
	Log func(LogLine)
}

// LogLine is what a function prints: one line, without its end.
type LogLine struct {
	Level  slog.Level
	Stream string // nex.StreamStdout or nex.StreamStderr
	Text   string
}

// Host carries host service requests to the node. It is safe for concurrent use.
type Host interface {
	// Request performs a host service request; see package hostapi for what there is. It returns when
	// ctx ends at the latest. The error is an [*hostapi.Error].
	Request(ctx context.Context, r hostapi.Request) (hostapi.Response, error)
}

// The statuses of failed calls, HTTP statuses by meaning, as NATS services use them in the header
// Nats-Service-Error-Code.
const (
	StatusBadRequest  = 400
	StatusNotFound    = 404
	StatusTimeout     = 408
	StatusTooLarge    = 413
	StatusFailed      = 500
	StatusUnavailable = 503
)

// Error is a call that failed, or a function that cannot be loaded. The zero Status is not valid.
type Error struct {
	// Status is 400 to 599. A function may choose it: a JavaScript exception whose property code is
	// such an integer, or the WebAssembly import nex.fail.
	Status int
	// Message is a sentence for the caller. It is one line.
	Message string
	// Stack says where in the user's code it happened, for the function's log; it may have many lines
	// and be empty.
	Stack string
}

// Error returns the sentence alone.
func (e *Error) Error() string { return e.Message }

// Errorf makes an Error without a stack.
func Errorf(status int, format string, args ...any) *Error {
	return &Error{Status: status, Message: fmt.Sprintf(format, args...)}
}

// Stopped is the error of a call that was stopped because its ctx has ended.
func Stopped(ctx context.Context) *Error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return Errorf(StatusTimeout, "the function did not end before its deadline and was stopped")
	}
	return Errorf(StatusUnavailable, "the function was stopped before it had ended")
}

// TooLarge is the error of a call whose result has more bytes than it may have.
func TooLarge(size, most int) *Error {
	return Errorf(StatusTooLarge, "the function's result has %d bytes, more than the %d that can be sent", size, most)
}
