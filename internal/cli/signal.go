package cli

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// secondSignal returns what is closed when the process is told to end for the second time; a third signal ends
// it as if nobody took it. The caller releases it.
func secondSignal() (again <-chan struct{}, release func()) {
	signals, second, over := make(chan os.Signal, 2), make(chan struct{}), make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	var watch sync.WaitGroup
	watch.Go(func() {
		defer signal.Stop(signals)
		for range 2 {
			select {
			case <-signals:
			case <-over:
				return
			}
		}
		close(second)
	})
	return second, func() {
		close(over)
		watch.Wait()
	}
}
