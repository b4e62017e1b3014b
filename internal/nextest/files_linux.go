package nextest

import (
	"errors"
	"fmt"
	"syscall"
)

// OpenFiles lets this process, and those that it starts from then on, have n files open at a time, and
// returns how many they may have: less than n where the machine allows no more.
func OpenFiles(n uint64) (uint64, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("look how many files may be open: %w", err)
	}
	if limit.Cur >= n {
		return limit.Cur, nil
	}
	raised := syscall.Rlimit{Cur: n, Max: max(n, limit.Max)}
	err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised)
	if errors.Is(err, syscall.EPERM) { // only root may have more than the hard limit
		raised = syscall.Rlimit{Cur: min(n, limit.Max), Max: limit.Max}
		err = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised)
	}
	if err != nil {
		return 0, fmt.Errorf("raise the number of files that may be open: %w", err)
	}
	return raised.Cur, nil
}
