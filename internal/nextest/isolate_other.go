//go:build !linux

package nextest

// Isolate runs the tests where they are: sandboxes are there on linux alone.
func Isolate(run func() int) int { return run() }

// Sandboxed reports whether nodes of this test can have sandboxes.
func Sandboxed() bool { return false }
