package proctree

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// closeOnExec marks what the process itself was started with: Go opens every file so that a child
// does not get it, but not those that it inherited.
func closeOnExec() {
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		return
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
}
