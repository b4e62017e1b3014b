package functiontest

import (
	"bytes"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/nex-engine/nex/internal/function"
)

// Bounds of what memory may grow by, of the process and of Go's heap. They are far below what the calls
// would leave if each left its payload.
const (
	mostGrowth   = 48 << 20
	mostGoGrowth = 4 << 20
)

// growth repeats something for a time, or so often, and returns what the process's memory and Go's heap
// have grown by since it had been repeated for a while.
func growth(forTime time.Duration, most int, do func()) (process, heap int64, times int) {
	repeat := func(d time.Duration, most int) (n int) {
		for end := time.Now().Add(d); n < most && time.Now().Before(end); n++ {
			do()
		}
		return n
	}
	repeat(forTime/4, most/10)
	process, heap = memoryNow()
	times = repeat(forTime, most)
	processAfter, heapAfter := memoryNow()
	return processAfter - process, heapAfter - heap, times
}

func memoryNow() (process, heap int64) {
	runtime.GC() // twice, so that what finalizers free is gone
	debug.FreeOSMemory()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return memoryInUse(), int64(stats.HeapAlloc)
}

func (r *rig) wantNoGrowth(process, heap int64, times int) {
	r.Helper()
	r.Logf("in %d calls the process grew by %d KiB, Go's heap by %d KiB", times, process>>10, heap>>10)
	if process > mostGrowth {
		r.Errorf("the process grew by %d MiB in %d calls, want at most %d", process>>20, times, mostGrowth>>20)
	}
	if heap > mostGoGrowth {
		r.Errorf("Go's heap grew by %d KiB in %d calls, want at most %d", heap>>10, times, mostGoGrowth>>10)
	}
}

func checkCallsDoNotGrow(r *rig) {
	rt := r.load(Echo)
	payload := bytes.Repeat([]byte("x"), 4<<10)
	ctx, cancel := r.patient()
	defer cancel()
	call := function.Call{ID: "call", Subject: "test.subject", Payload: payload, Deadline: time.Now().Add(patience)}
	process, heap, times := growth(3*time.Second, 50_000, func() {
		if got, err := rt.Call(ctx, call); err != nil || len(got.Payload) != len(payload) {
			r.Fatalf("Call = %d bytes, %v", len(got.Payload), err)
		}
	})
	r.wantNoGrowth(process, heap, times)
}

// A call that fails may cost what it ran in, which must not be left.
func checkFailuresDoNotGrow(r *rig) {
	rt := r.load(Throw)
	ctx, cancel := r.patient()
	defer cancel()
	call := function.Call{ID: "call", Subject: "test.subject", Deadline: time.Now().Add(patience)}
	process, heap, times := growth(2*time.Second, 5_000, func() {
		if _, err := rt.Call(ctx, call); err == nil {
			r.Fatal("the call succeeds")
		}
	})
	r.wantNoGrowth(process, heap, times)
}
