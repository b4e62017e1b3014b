//go:build unix

package sandboxtest

import (
	"os"

	"golang.org/x/sys/unix"
)

// inherit makes an open file one that a child process gets, unless it is kept from it: as if the
// node itself had been started with it.
func inherit(r *rig, f *os.File) {
	r.Helper()
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETFD, 0); err != nil {
		r.Fatal(err)
	}
}
