//go:build !windows

package artifact

import (
	"errors"
	"syscall"
)

// isDiskFull reports whether err is that of a file system, or a user's share of it, without space.
func isDiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
