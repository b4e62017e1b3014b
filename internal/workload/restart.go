package workload

import (
	"math/rand/v2"
	"time"
)

func (r Restart) withDefaults() Restart {
	if r.First == 0 {
		r.First = 100 * time.Millisecond
	}
	if r.Most == 0 {
		r.Most = 30 * time.Second
	}
	if r.Healthy == 0 {
		r.Healthy = time.Minute
	}
	return r
}

// streak counts the starts in a row of a program that does not keep running.
type streak struct {
	policy Restart
	starts int // that ended before the program was healthy
	tries  int // to start it since, in which it did not come to that
}

// next says how long to wait before the next start of a program that ran for so long, and whether
// there is one. The wait doubles each time; a fifth of it is random, so that workloads that fell
// together do not rise together.
func (s *streak) next(ran time.Duration) (wait time.Duration, again bool) {
	if ran >= s.policy.Healthy {
		s.starts = 0
	}
	s.starts++
	s.tries = 0
	if s.policy.MaxStarts > 0 && s.starts >= s.policy.MaxStarts {
		return 0, false
	}
	return s.wait(s.starts - 1), true
}

// delay says how long to wait before the next start when the last one did not get as far as the program. There
// is always a next one.
func (s *streak) delay() time.Duration {
	s.tries++
	return s.wait(s.starts + s.tries - 1)
}

// wait is the first wait, doubled so many times.
func (s *streak) wait(doublings int) time.Duration {
	wait := min(s.policy.First, s.policy.Most)
	for ; doublings > 0 && wait < s.policy.Most; doublings-- {
		wait = min(2*wait, s.policy.Most)
	}
	return wait - time.Duration(rand.Int64N(int64(wait)/5+1))
}
