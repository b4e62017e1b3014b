package image

import (
	"errors"

	"golang.org/x/sys/windows"
)

// openWithoutWaiting is for fifos, of which a Windows file system has none.
const openWithoutWaiting = 0

// isDiskFull reports whether err is that of a file system without space.
func isDiskFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}
