//go:build unix

package main

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// detach makes cmd start in a session of its own.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// openFiles lists what is open besides standard input, output and error.
func openFiles() []string {
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		return nil
	}
	var open []string
	for _, e := range entries {
		target, err := os.Readlink("/dev/fd/" + e.Name())
		switch {
		case err != nil || e.Name() == "0" || e.Name() == "1" || e.Name() == "2":
		case target == "anon_inode:[eventpoll]" || target == "anon_inode:[eventfd]" || target == "anon_inode:[pidfd]":
			// The Go runtime's own, for the network and for children.
		case strings.HasPrefix(target, "/sys/fs/cgroup/"):
			// The Go runtime's own, for the number of processors.
		default:
			open = append(open, e.Name()+" "+target)
		}
	}
	return open
}
