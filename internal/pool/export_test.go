package pool

import "time"

// Waiting is the number of callers of Lease that wait.
func (p *Pool) Waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.waiting)
}

// Waits returns the waits after failures at these times, of a pool whose failures are in a row unless
// they are further apart than that.
func Waits(apart time.Duration, failures ...time.Time) []time.Duration {
	b := backoff{apart: apart}
	var waits []time.Duration
	for _, at := range failures {
		waits = append(waits, wait(b.note(at)))
	}
	return waits
}
