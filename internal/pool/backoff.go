package pool

import "time"

// Bounds of the wait before agents are started again.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 10 * time.Second
)

// backoff says how long to wait after failures, longer the more there were in a row.
type backoff struct {
	apart    time.Duration // failures that are further apart are not in a row
	failures int
	last     time.Time
}

// note notes a failure and returns how many there were in a row before it.
func (b *backoff) note(now time.Time) (before int) {
	if now.Sub(b.last) > b.apart {
		b.failures = 0
	}
	b.last = now
	b.failures++
	return b.failures - 1
}

// wait is what to wait when there were so many failures in a row before. It doubles each time.
func wait(before int) time.Duration {
	return min(firstRetry<<min(before, 10), lastRetry)
}
