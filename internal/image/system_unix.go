//go:build !windows

package image

import (
	"errors"
	"syscall"
)

// openWithoutWaiting makes open return at once on a fifo without a writer. It changes nothing for
// regular files.
const openWithoutWaiting = syscall.O_NONBLOCK

// isDiskFull reports whether err is that of a file system, or a user's share of it, without space.
func isDiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
