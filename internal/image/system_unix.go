//go:build !windows

package image

import "syscall"

// openWithoutWaiting makes open return at once on a fifo without a writer. It changes nothing for
// regular files.
const openWithoutWaiting = syscall.O_NONBLOCK
