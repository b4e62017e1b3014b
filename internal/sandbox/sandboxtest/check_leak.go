package sandboxtest

import (
	"os"
	"runtime"
	"time"

	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest/plan"
)

// checkNothingLeaks runs alone: it counts goroutines and open files of the test itself.
func checkNothingLeaks(r *rig) {
	round := func() {
		i := r.start(plan.Do(plan.Leave), plan.Do(plan.Hang))
		i.say("hang")
		if _, err := i.Stage(r.ctx(), sandbox.ForArtifact, r.agent); err != nil {
			r.Fatalf("Stage: %v", err)
		}
		i.destroy()
	}
	round() // the first use of things may keep some of them open
	files, goroutines := openFiles(), runtime.NumGoroutine()
	for range r.suite.times(5, 2) {
		round()
	}
	// A goroutine that has closed a channel may need a moment to end.
	for end := time.Now().Add(patience); runtime.NumGoroutine() > goroutines && time.Now().Before(end); {
		runtime.Gosched()
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		buf := make([]byte, 1<<16)
		r.Errorf("%d goroutines, %d before:\n%s", n, goroutines, buf[:runtime.Stack(buf, true)])
	}
	if n := openFiles(); n > files {
		r.Errorf("%d open files, %d before", n, files)
	}
	r.wantEmpty()
}

// openFiles counts the open files of this process, or is 0 where they cannot be counted.
func openFiles() int {
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}
