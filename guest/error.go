package guest

import "errors"

// Code is a stable, machine-readable class of failure of a service.
type Code string

// The codes.
const (
	CodeInvalid      Code = "invalid"       // the request makes no sense: a bad key, subject, URL, method
	CodeNotFound     Code = "not_found"     // no such key or object
	CodeDenied       Code = "denied"        // the node does not allow it
	CodeTooLarge     Code = "too_large"     // a key, value, body, or the bucket would be larger than it may be
	CodeBusy         Code = "busy"          // the function has too many requests under way
	CodeTimeout      Code = "timeout"       // no answer in time
	CodeNoResponders Code = "no_responders" // nobody listens on the subject
	CodeUnavailable  Code = "unavailable"   // NATS, JetStream or the remote host could not be reached
	CodeInternal     Code = "internal"      // the node failed
)

// Error is a request to a service that failed. Message is one sentence.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
}

// Error returns the sentence alone.
func (e *Error) Error() string { return e.Message }

// Is reports whether target is an Error with the same code, so that errors.Is(err, &Error{Code: c}) works.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// IsNotFound reports whether an error says that there is no such key or object.
func IsNotFound(err error) bool { return errors.Is(err, &Error{Code: CodeNotFound}) }

// ErrNotHosted is the error of everything that needs Nex where it does not run the program.
var ErrNotHosted = errors.New("the program is not run by Nex as a WebAssembly function")
