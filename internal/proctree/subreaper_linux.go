package proctree

import (
	"fmt"
	"os"
	"os/signal"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

func setSubreaper() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become the parent of orphaned processes: %w", err)
	}
	return nil
}

func isSubreaper() bool {
	var on int32
	err := unix.Prctl(unix.PR_GET_CHILD_SUBREAPER, uintptr(unsafe.Pointer(&on)), 0, 0, 0)
	return err == nil && on != 0
}

// startReaper reaps orphans of a tree from now on, if this process is their parent, so that a
// program that makes many does not fill the process table. The returned function ends it.
func startReaper(root Identity) (stop func()) {
	if !isSubreaper() {
		return func() {}
	}
	died := make(chan os.Signal, 1)
	signal.Notify(died, unix.SIGCHLD)
	done := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-died:
				reapOrphans(root)
			}
		}
	})
	return func() {
		signal.Stop(died)
		close(done)
		group.Wait()
	}
}

func reapOrphans(root Identity) {
	t, err := readTable()
	if err != nil {
		return // the next death is another occasion
	}
	never := func(process, []string) bool { return false }
	reap(selection{roots: []Identity{root}, adopted: true}.of(t, os.Getpid(), never).zombies)
}
