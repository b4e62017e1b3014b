package guest

import (
	"errors"
	"fmt"
	"time"
)

// Header holds the headers of a message, by name as it was sent.
type Header map[string][]string

// Get returns the first value of a header, or "".
func (h Header) Get(name string) string {
	if values := h[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// Call is one message that the function is to handle.
type Call struct {
	ID       string // unique; names the call in logs
	Subject  string // concrete, never a wildcard
	Header   Header // nil if there are none
	Payload  []byte // the function's
	Deadline time.Time
}

// Result is the reply. It is sent if the sender of the message asked for one.
type Result struct {
	Payload []byte
	Header  Header
}

// Handler handles a message. An error is what the caller is told: the status of a [*Failure], otherwise
// 500, and the error's text.
type Handler func(Call) (Result, error)

// Failure is an error with a status, which is 400 to 599 and meant as in HTTP.
type Failure struct {
	Status  int
	Message string
}

// Error returns the message.
func (f *Failure) Error() string { return f.Message }

// Fail makes a Failure.
func Fail(status int, format string, args ...any) error {
	return &Failure{Status: status, Message: fmt.Sprintf(format, args...)}
}

var handler Handler

// Handle sets the handler of a reactor. Call it once, in an init function: main is not called.
func Handle(h Handler) {
	if handler != nil {
		panic("guest.Handle is called twice")
	}
	handler = h
}

// Run handles the message that this command was started for. Call it in main.
func Run(h Handler) {
	if !serve(h) {
		exit(1)
	}
}

// serve has the handler handle the message and reports whether it did.
func serve(h Handler) bool {
	call, err := receive()
	if err != nil {
		fail(500, err.Error())
		return false
	}
	result, err := h(call)
	if err != nil {
		status := 500
		if f, ok := errors.AsType[*Failure](err); ok {
			status = f.Status
		}
		fail(status, err.Error())
		return false
	}
	reply(result)
	return true
}
