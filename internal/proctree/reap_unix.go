//go:build linux || darwin

package proctree

import "golang.org/x/sys/unix"

// reap collects the exit statuses of orphans that this process has inherited, one by one and by
// number: a wait for any child would take those that an exec.Cmd is waiting for. It reports whether
// there were any.
func reap(zombies []process) bool {
	reaped := false
	for _, p := range zombies {
		pid, err := unix.Wait4(p.pid, nil, unix.WNOHANG, nil)
		reaped = reaped || (err == nil && pid == p.pid)
	}
	return reaped
}
