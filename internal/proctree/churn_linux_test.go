package proctree_test

import (
	"runtime"
	"sync"
)

// churnThreads makes threads and ends them: a goroutine that ends locked takes its thread along.
func churnThreads() {
	var group sync.WaitGroup
	for range 50 {
		group.Go(runtime.LockOSThread)
	}
	group.Wait()
}
