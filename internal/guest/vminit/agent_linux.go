package vminit

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/guest"
	"github.com/nex-engine/nex/internal/lines"
)

const (
	homeDir = "/home/nex"
	// workDir is the home of programs. Their agent is in it, and they begin there.
	workDir = "/work"
	// socketName is the socket of the link, as the agent knows it.
	socketName = "link.sock"
	// userVariable is where the agent finds as whom it runs programs.
	userVariable = "NEX_AGENT_USER"
	// openFiles is how many files each process may have open without a limit.
	openFiles = 1 << 19
)

// agentCapabilities are those of an agent that runs programs: to become another user, to give up capabilities for
// good before it does, to give that user the pipes for its output, and to end what it runs.
var agentCapabilities = []uintptr{unix.CAP_SETUID, unix.CAP_SETGID, unix.CAP_SETPCAP, unix.CAP_CHOWN, unix.CAP_KILL}

// agent is the process of the agent.
type agent struct {
	pid   int
	stdin *os.File
	shown chan struct{} // closed when all that it has printed was given to the console
}

// startAgent starts the agent, which waits for its document. The calling thread is locked, and keeps for good what
// the agent inherits of it.
func startAgent(g *group, dir string, user uint32, network bool) (*agent, error) {
	a, err := start(g, dir, user, network)
	if err != nil {
		return nil, fmt.Errorf("start the agent %s: %w", guest.AgentPath, err)
	}
	return a, nil
}

func start(g *group, dir string, user uint32, network bool) (*agent, error) {
	var capabilities []uintptr
	env := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=" + dir,
		"TMPDIR=/tmp",
	}
	if network {
		capabilities = agentCapabilities
		env = append(env, fmt.Sprintf("%s=%d:%d", userVariable, guest.WorkloadUser, guest.WorkloadUser))
	}
	if err := restrict(capabilities); err != nil {
		return nil, err
	}
	groupDir, err := os.Open(g.dir)
	if err != nil {
		return nil, err
	}
	defer groupDir.Close()
	stdin, document, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	output, prints, err := os.Pipe()
	if err != nil {
		document.Close()
		return nil, err
	}
	defer prints.Close()
	a := &agent{stdin: document, shown: make(chan struct{})}
	a.pid, err = syscall.ForkExec(guest.AgentPath, []string{guest.AgentPath}, &syscall.ProcAttr{
		Dir:   dir,
		Env:   env,
		Files: []uintptr{stdin.Fd(), prints.Fd(), prints.Fd()},
		Sys: &syscall.SysProcAttr{
			Setsid:      true,
			Credential:  &syscall.Credential{Uid: user, Gid: user},
			AmbientCaps: capabilities,
			UseCgroupFD: true,
			CgroupFD:    int(groupDir.Fd()),
		},
	})
	if err != nil {
		document.Close()
		output.Close()
		return nil, err
	}
	go a.show(output) // ends when nobody is left who could print
	return a, nil
}

// show prints on the console what the agent does.
func (a *agent) show(output *os.File) {
	defer close(a.shown)
	defer output.Close()
	l := lines.Writer{Log: terminal.print}
	_, _ = io.Copy(&l, output) // nobody else could be told
	l.Flush()
}

// shownTimeout bounds how long somebody may print who is killed.
const shownTimeout = time.Second

// end kills the agent and all that it has started, and returns when its last lines were given to the console.
func (a *agent) end() {
	_ = unix.Kill(-1, unix.SIGKILL) // there may be nobody
	select {
	case <-a.shown:
	case <-time.After(shownTimeout): // it is in the hands of a device
	}
}

// restrict takes from what this thread starts all capabilities but some, and the way to get them back.
func restrict(capabilities []uintptr) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		if contains(capabilities, c) {
			continue
		}
		// A kernel may have fewer.
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
			return err
		}
	}
	limit := unix.Rlimit{Cur: openFiles, Max: openFiles}
	return unix.Prlimit(0, unix.RLIMIT_NOFILE, &limit, nil)
}

func contains(list []uintptr, c uintptr) bool {
	for _, l := range list {
		if l == c {
			return true
		}
	}
	return false
}

// give gives the agent its document.
func (a *agent) give(document []byte) error {
	_, err := a.stdin.Write(document)
	return errors.Join(err, a.stdin.Close())
}

// limitFiles bounds how many files the agent, and all that it will start, may have open.
func (a *agent) limitFiles(most int) error {
	limit := unix.Rlimit{Cur: uint64(most), Max: uint64(most)}
	return unix.Prlimit(a.pid, unix.RLIMIT_NOFILE, &limit, nil)
}

// wait returns when the agent has ended. It takes all that end.
func (a *agent) wait() (guest.Exit, error) {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return guest.Exit{}, fmt.Errorf("wait for the agent: %w", err)
		case pid == a.pid && status.Signaled():
			oom := status.Signal() == unix.SIGKILL && killed() > 0
			return guest.Exit{Code: -1, Signal: unix.SignalName(status.Signal()), OOM: oom}, nil
		case pid == a.pid:
			return guest.Exit{Code: status.ExitStatus()}, nil
		}
	}
}
