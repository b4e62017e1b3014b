package rootfs

import (
	"errors"
	"fmt"
)

// The classes of what an archive can do wrong, for errors.Is. The message of a malformed one is a
// sentence; that of one too large is the end of a sentence whose subject is the image.
var (
	ErrMalformed = errors.New("malformed layer")
	ErrTooLarge  = errors.New("too large")
)

// fault is an error of a class with its own text.
type fault struct {
	class error
	text  string
}

func (f *fault) Error() string { return f.text }
func (f *fault) Unwrap() error { return f.class }

func malformed(format string, args ...any) error {
	return &fault{class: ErrMalformed, text: fmt.Sprintf(format, args...)}
}

func tooLarge(format string, args ...any) error {
	return &fault{class: ErrTooLarge, text: fmt.Sprintf(format, args...)}
}
