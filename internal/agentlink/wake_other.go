//go:build !unix

package agentlink

import (
	"context"
	"errors"
	"io"
	"time"
)

// MakeWaker makes nothing: agents come back by themselves.
func MakeWaker(string) (io.Closer, error) { return io.NopCloser(nil), nil }

// OpenWaker fails: there are no FIFOs.
func OpenWaker(Bootstrap) (*Waker, error) { return nil, errors.ErrUnsupported }

// Waker does not exist.
type Waker struct{}

// Close does nothing.
func (*Waker) Close() error { return nil }

// Wait fails.
func (*Waker) Wait(context.Context, time.Duration) (bool, error) { return false, errors.ErrUnsupported }

// Wake does nothing.
func Wake(string) error { return nil }
