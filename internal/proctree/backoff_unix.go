//go:build linux || darwin

package proctree

import "time"

// backoff looks, ever more slowly, whether the processes have ended. It is for processes that are
// not our children where there is no pidfd: nothing tells us of their end.
func backoff(handles []*handle, deadline time.Time) {
	for pause := time.Millisecond; ; pause *= 2 {
		running := false
		for _, h := range handles {
			running = running || Identity{PID: h.process.pid, StartTime: h.process.start}.sameAndRunning()
		}
		rest := time.Until(deadline)
		if !running || rest <= 0 {
			return
		}
		time.Sleep(min(pause, rest))
	}
}
