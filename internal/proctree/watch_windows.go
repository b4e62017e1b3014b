package proctree

import (
	"fmt"
	"sync"

	"golang.org/x/sys/windows"
)

func watch(id Identity) (*watcher, error) {
	process, ok := id.open(openToWatch)
	if !ok {
		return nil, ErrNotFound
	}
	stop, err := windows.CreateEvent(nil, 1, 0, nil)
	if err != nil {
		_ = windows.CloseHandle(process)
		return nil, fmt.Errorf("watch process %d: %w", id.PID, err)
	}
	ended, finished := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(finished)
		defer windows.CloseHandle(process)
		event, err := windows.WaitForMultipleObjects([]windows.Handle{process, stop}, false, windows.INFINITE)
		if err == nil && event == windows.WAIT_OBJECT_0 {
			close(ended)
		}
	}()
	release := sync.OnceFunc(func() {
		_ = windows.SetEvent(stop)
		<-finished
		_ = windows.CloseHandle(stop)
	})
	return &watcher{ended, release, nobodyKnows}, nil
}
