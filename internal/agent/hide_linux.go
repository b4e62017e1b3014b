package agent

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// hideMemory keeps other processes of the same user, such as the workload, from reading this one's
// memory and environment and from tracing it. A program that is started from here is not affected.
func hideMemory() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("make the agent undumpable: %w", err)
	}
	return nil
}
