package trigger

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// latency counts durations in buckets whose widths grow with them: sixteen for each power of two, so
// that a quantile is right within 4 %. Adding costs one atomic addition. It is safe for concurrent
// use.
type latency struct {
	buckets [64 * perPower]atomic.Uint64
}

// perPower is the number of buckets for a power of two; powerBits of a number choose one.
const (
	powerBits = 4
	perPower  = 1 << powerBits
)

func (l *latency) add(d time.Duration) { l.buckets[bucketOf(uint64(max(d, 0)))].Add(1) }

func bucketOf(n uint64) int {
	if n < perPower {
		return int(n)
	}
	power := bits.Len64(n) - 1
	return (power-powerBits+1)*perPower + int(n>>(power-powerBits))&(perPower-1)
}

// middle is the middle of a bucket.
func middle(bucket int) time.Duration {
	if bucket < perPower {
		return time.Duration(bucket)
	}
	shift := bucket/perPower - 1
	low := uint64(perPower+bucket%perPower) << shift
	return time.Duration(low + 1<<shift/2)
}

// quantiles returns the durations that so many parts of all are not above; 0 when there are none.
func (l *latency) quantiles(of ...float64) []time.Duration {
	var counts [len(l.buckets)]uint64
	var total uint64
	for i := range l.buckets {
		counts[i] = l.buckets[i].Load()
		total += counts[i]
	}
	list := make([]time.Duration, len(of))
	for i, q := range of {
		list[i] = quantile(&counts, uint64(q*float64(total)))
	}
	return list
}

// quantile returns the duration that has rank others below it.
func quantile(counts *[64 * perPower]uint64, rank uint64) time.Duration {
	var seen uint64
	for bucket, n := range counts {
		if seen += n; n > 0 && seen > rank {
			return middle(bucket)
		}
	}
	return 0
}
