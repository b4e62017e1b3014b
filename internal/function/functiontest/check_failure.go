package functiontest

import (
	"strings"

	"github.com/nex-engine/nex/internal/function"
)

func checkFail(r *rig) {
	rt := r.load(Fail)
	for range 3 {
		_, err := r.beginPayload(rt, "").wait()
		if e := r.wantFailed(err, 400, 599); !strings.Contains(e.Message, "no such thing") {
			r.Errorf("the message = %q, want the function's own in it", e.Message)
		}
		r.wantWell(rt)
	}
}

func checkFailWithStatus(r *rig) {
	_, err := r.beginPayload(r.load(Fail), "").wait()
	r.wantStatus(err, function.StatusNotFound)
}

func checkThrow(r *rig) {
	rt := r.load(Throw)
	for range 3 {
		_, err := r.beginPayload(rt, "").wait()
		r.wantStatus(err, function.StatusFailed)
		r.wantWell(rt)
	}
}

func checkStack(r *rig) {
	_, err := r.beginPayload(r.load(Throw), "").wait()
	if e := r.wantStatus(err, function.StatusFailed); e.Stack == "" {
		r.Errorf("the error has no stack: %s", describe(err))
	}
}

// A function that takes memory without end fails, the process does not, and what it took is free
// again.
func checkMemory(r *rig) {
	const most = 64 << 20
	rt := r.load(Grab, func(c *function.Config) { c.MemoryBytes = most })
	r.wantWell(rt)
	before, _ := memoryNow()
	measured := resetPeak()
	for range 3 {
		_, err := r.beginPayload(rt, "").wait()
		if e := r.wantFailed(err, 500, 599); e.Status == function.StatusUnavailable {
			r.Errorf("a function that takes too much memory fails with %s", describe(err))
		}
		r.wantWell(rt)
	}
	// Four times, because a garbage collector may copy what there is, and frees late.
	if took := peakMemory() - before; measured && took > 4*most {
		r.Errorf("the process took %d MiB more at the peak, with a limit of %d MiB", took>>20, most>>20)
	}
}
