package trigger

import (
	"testing"
	"time"
)

// The middle of a duration's bucket is within 4 % of it, over the whole range.
func TestBuckets(t *testing.T) {
	for d := time.Duration(1); d > 0 && d < 1<<62; d += d/5 + 1 {
		got := middle(bucketOf(uint64(d)))
		if diff := (got - d).Abs(); diff > d/25+1 {
			t.Errorf("%d is counted as %d", d, got)
		}
	}
}

func TestQuantiles(t *testing.T) {
	var l latency
	if got := l.quantiles(0.5, 1); got[0] != 0 || got[1] != 0 {
		t.Errorf("quantiles of nothing = %v", got)
	}
	for i := 1; i <= 1000; i++ {
		l.add(time.Duration(i) * time.Millisecond)
	}
	l.add(-time.Second) // a clock that was set back
	for i, want := range []time.Duration{500 * time.Millisecond, 990 * time.Millisecond} {
		got := l.quantiles(0.5, 0.99)[i]
		if diff := (got - want).Abs(); diff > want*4/100 {
			t.Errorf("quantile %d = %s, want about %s", i, got, want)
		}
	}
}

func BenchmarkLatencyAdd(b *testing.B) {
	var l latency
	for b.Loop() {
		l.add(123456)
	}
}
