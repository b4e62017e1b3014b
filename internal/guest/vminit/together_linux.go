package vminit

import (
	"errors"
	"sync"
)

// together takes steps at the same time, and returns when all are done.
func together(steps ...func() error) error {
	errs := make([]error, len(steps))
	var others sync.WaitGroup
	for i, step := range steps[min(1, len(steps)):] {
		others.Go(func() { errs[i+1] = step() })
	}
	if len(steps) > 0 {
		errs[0] = steps[0]() // a thread less to begin
	}
	others.Wait()
	return errors.Join(errs...)
}
