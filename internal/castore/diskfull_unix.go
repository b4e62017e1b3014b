//go:build !windows

package castore

import (
	"errors"
	"syscall"
)

// IsDiskFull reports whether err is that of a file system, or a user's share of it, without space.
func IsDiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
