package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// whyNoFileLimit says why open files cannot be bounded here; empty if they can.
func whyNoFileLimit() string {
	const off = "3" // of Yama, for everybody
	b, err := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope")
	if err == nil && string(bytes.TrimSpace(b)) == off {
		return "open files are not bounded where no program can be stopped at its start: set kernel.yama.ptrace_scope to less than " + off
	}
	return ""
}

// limitFiles makes start bound the open files of each process of the command; 0 is no bound. A Go
// program remembers the bound that it finds first of all and gives it to its children, so it must be set
// before its first instruction: the command is started as a traced one, which stops there. It must be
// called on a thread that the caller is locked to. A bound is never higher than the node's own.
func limitFiles(start func(*exec.Cmd) error, files int) func(*exec.Cmd) error {
	if files == 0 {
		return start
	}
	return func(cmd *exec.Cmd) error {
		var a syscall.SysProcAttr
		if cmd.SysProcAttr != nil {
			a = *cmd.SysProcAttr
		}
		a.Ptrace = true
		cmd.SysProcAttr = &a
		if err := start(cmd); err != nil {
			return err
		}
		if err := limitStopped(cmd.Process.Pid, uint64(files)); err != nil {
			err = errors.Join(fmt.Errorf("bound open files: %w", err), cmd.Process.Kill())
			_ = cmd.Wait() // it says that it was killed
			return err
		}
		return nil
	}
}

// limitStopped bounds the open files of a process that is about to stop, and lets it go on.
func limitStopped(pid int, files uint64) error {
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(pid, &status, unix.WALL, nil)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
	if !status.Stopped() {
		return errors.New("the program has ended before it began")
	}
	var own unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &own); err != nil {
		return err
	}
	files = min(files, own.Max)
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: files, Max: files}, nil); err != nil {
		return err
	}
	return unix.PtraceDetach(pid)
}
