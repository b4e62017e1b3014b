package nextest

import (
	"testing"
	"time"
)

// Patience bounds what happens soon, on a busy machine with the race detector.
const Patience = time.Minute

// Poll calls done, less and less often, until it is true, and reports whether that was soon enough.
// It is for what no event tells.
func Poll(done func() bool) bool {
	deadline := time.Now().Add(Patience)
	for wait := 2 * time.Millisecond; !done(); wait = min(2*wait, 100*time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(wait)
	}
	return true
}

// Await fails the test if done is not true soon; what says what was waited for.
func Await(t testing.TB, what string, done func() bool) {
	t.Helper()
	if !Poll(done) {
		t.Fatalf("waited %s in vain: %s", Patience, what)
	}
}
