package main

import (
	"os/exec"
	"syscall"
)

// detach makes cmd start in a console group of its own.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// openFiles lists nothing: a process cannot see its own handles.
func openFiles() []string { return nil }
