package sandboxdir

import (
	"os"

	"golang.org/x/sys/unix"
)

func enlarge(*os.File) {} // a FIFO grows by itself here, to 64 KiB

// openToRead opens a FIFO and never waits for somebody who writes. Its reads then wait in a thread of their own:
// there is no event here that tells of the last writer's end.
func openToRead(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err == nil {
		if err = unix.SetNonblock(fd, false); err != nil {
			_ = unix.Close(fd)
		}
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// wake ends a read that is under way, by something to read. If there is no room for it the read does not wait.
func (r *reader) wake() {
	fd, err := unix.Open(r.path, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return // nobody reads any more
	}
	_, _ = unix.Write(fd, []byte{'\n'})
	_ = unix.Close(fd)
}
