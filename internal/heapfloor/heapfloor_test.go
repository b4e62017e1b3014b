package heapfloor_test

import (
	"runtime"
	"testing"

	"github.com/nex-engine/nex/internal/heapfloor"
)

var sink []byte // so that garbage is made on the heap

// Without a floor this much garbage is collected in a dozen turns.
func TestRaise(t *testing.T) {
	const floor = 64 << 20
	heapfloor.Raise(floor)
	heapfloor.Raise(1) // takes nothing back
	if n := collections(floor); n > 1 {
		t.Errorf("%d MiB of garbage are collected in %d turns, want at most 1", floor>>20, n)
	}
}

// collections counts how often so much garbage is collected.
func collections(garbage int) uint32 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	const piece = 16 << 10
	for range garbage / piece {
		sink = make([]byte, piece)
	}
	runtime.ReadMemStats(&after)
	return after.NumGC - before.NumGC
}
