package proctree_test

import (
	"os"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/proctree"
)

// So many at once that the first thread would be among those that are taken.
func TestOffFirstThread(t *testing.T) {
	t.Parallel()
	const many = 64
	var group, there sync.WaitGroup
	there.Add(many)
	all := make(chan struct{})
	for range many {
		group.Go(func() {
			proctree.OffFirstThread(func() {
				before := unix.Gettid()
				there.Done()
				<-all
				if tid := unix.Gettid(); tid == os.Getpid() || tid != before {
					t.Errorf("it runs on thread %d, then %d, of process %d", before, tid, os.Getpid())
				}
			})
		})
	}
	there.Wait()
	close(all)
	group.Wait()
}
