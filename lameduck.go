package nex

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// ExitAfter says when a node that is a lame duck ends by itself: [ExitWhenIdle], or a time as
// [time.ParseDuration] reads it, such as "30s", after which it ends at the latest; empty means that it
// does not.
type ExitAfter string

// ExitWhenIdle ends a lame duck once no call of a function is under way and no service or job runs.
const ExitWhenIdle ExitAfter = "when-idle"

// Check returns an error unless e is something that a node can do.
func (e ExitAfter) Check() error {
	if e == "" || e == ExitWhenIdle {
		return nil
	}
	if d, err := time.ParseDuration(string(e)); err != nil || d < 0 {
		return Errorf(CodeInvalidRequest, "invalid lame duck request: exit_after %q is neither %s nor a time such as 30s", clip(string(e)), ExitWhenIdle)
	}
	return nil
}

// Time is how long a node goes on at most; limited is false if there is no such time. It is for values
// that Check accepts.
func (e ExitAfter) Time() (d time.Duration, limited bool) {
	if e == "" || e == ExitWhenIdle {
		return 0, false
	}
	d, err := time.ParseDuration(string(e))
	return d, err == nil
}

// Digest is what claims carry as request, so that they are good for this request alone: the sha256, in
// hex, of ExitAfter.
func (r *LameDuckRequest) Digest() string {
	sum := sha256.Sum256([]byte(r.ExitAfter))
	return hex.EncodeToString(sum[:])
}
