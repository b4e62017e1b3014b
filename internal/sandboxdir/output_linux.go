package sandboxdir

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// fifoSize is how much a FIFO holds for which nobody is there to read it, and for a crash that is told faster
// than we read. It takes memory only as far as it is used.
const fifoSize = 256 << 10

func enlarge(fifo *os.File) {
	// A user may have only so much; then it is the size that it is.
	_, _ = unix.FcntlInt(fifo.Fd(), unix.F_SETPIPE_SZ, fifoSize)
}

// openToRead opens a FIFO and never waits for somebody who writes.
func openToRead(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
}

// wake ends a read that is under way.
func (r *reader) wake() { _ = r.file.SetReadDeadline(time.Unix(1, 0)) }
