package qemu

import (
	"time"

	"golang.org/x/sys/unix"
)

// readTSC reads the processor's time stamp counter.
func readTSC() uint64

// tscInterval is how long the counter is measured: by then a moment's error of 100 ns makes 5 parts in a million.
const tscInterval = 20 * time.Millisecond

// tscKHz is how fast the time stamp counter counts, which is the one of emulated machines, too; 0 if that is not to
// be found out. Their kernels would have to measure it by a timer of the PC, fail at that on a busy machine, and then
// hang.
func tscKHz() int {
	ticks, at := tscAt()
	time.Sleep(tscInterval)
	moreTicks, later := tscAt()
	if later <= at || moreTicks <= ticks {
		return 0
	}
	return int(float64(moreTicks-ticks) * 1e6 / float64(later-at))
}

// tscAt is what the counter has, and the time in ns, as near to each other as in the best of some tries.
func tscAt() (ticks uint64, at int64) {
	const tries = 20
	best := int64(1) << 62
	for range tries {
		before := monotonic()
		now := readTSC()
		after := monotonic()
		if after-before < best {
			best, ticks, at = after-before, now, before+(after-before)/2
		}
	}
	return ticks, at
}

// monotonic is a time that nobody adjusts.
func monotonic() int64 {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC_RAW, &t) != nil {
		return 0
	}
	return t.Nano()
}
