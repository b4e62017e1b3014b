//go:build !windows

package artifact

import (
	"errors"
	"syscall"
)

// openWithoutWaiting makes open return at once on a fifo without a writer. It changes nothing for
// regular files.
const openWithoutWaiting = syscall.O_NONBLOCK

// isNotDir reports that a path leads through something that is no directory.
func isNotDir(err error) bool { return errors.Is(err, syscall.ENOTDIR) }
