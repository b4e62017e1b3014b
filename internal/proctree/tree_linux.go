package proctree

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

func dieWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }

// attend returns when the root has ended. It leaves the zombie: as long as it is there, neither the
// process id nor the group id can be given to anybody else, so that Signal needs no luck.
func (t *Tree) attend() {
	defer startReaper(t.root)()
	for {
		err := unix.Waitid(unix.P_PID, t.root.PID, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}
