package cgroup

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/proctree"
)

// Start starts a command in the group. It and its children are in the group from their first
// instruction on. The cmd must not have been started; its SysProcAttr is not changed. When Start returns it
// has [OOMScoreAdj], also where there are no groups, and its children have it from then on.
//
// The thread that starts the command is the caller's, if it is locked to one (see Pdeathsig and Ptrace
// of [syscall.SysProcAttr]) that is not the first of this process: see [proctree.OffFirstThread].
func (g *Group) Start(cmd *exec.Cmd) (err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		return fmt.Errorf("start in control group %s: %w", g.id, errEnded)
	}
	// With version 1 the thread is in the group meanwhile. The kernel, when it looks for what to kill for
	// want of memory, takes a process for one of the group in which its first thread is.
	proctree.OffFirstThread(func() { err = g.start(cmd) })
	return err
}

// start is called on a thread that its goroutine has for itself.
func (g *Group) start(cmd *exec.Cmd) error {
	back, err := g.enter()
	if err == nil {
		err = g.startUnified(cmd)
	}
	if undo := back(); undo != nil {
		runtime.LockOSThread() // for good: the thread ends with its goroutine
		g.m.log.Error("leave control group after the start of a program", attrGroup, g.id, attrError, undo)
	}
	return err
}

// startUnified starts a command in the group of version 2, if there is one.
func (g *Group) startUnified(cmd *exec.Cmd) error {
	for _, p := range g.parts {
		if !p.unified {
			continue
		}
		fd, err := unix.Open(p.dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open control group %s: %w", p.dir, err)
		}
		defer unix.Close(fd)
		given := cmd.SysProcAttr
		defer func() { cmd.SysProcAttr = given }()
		var a syscall.SysProcAttr
		if given != nil {
			a = *given
		}
		a.UseCgroupFD, a.CgroupFD = true, fd
		cmd.SysProcAttr = &a
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	expose(cmd.Process.Pid)
	return nil
}

// enter puts the calling thread into the groups of version 1, and returns what puts it back, also when
// it fails. What it does is so that a group which is at its limits cannot keep it there: for as long the
// group has all the time of the processors that it wants, for otherwise a thread of ours would wait for
// it with whatever it holds; and between its coming to the group that has the memory and its leaving it
// opens nothing, for which it could be refused memory.
func (g *Group) enter() (back func() error, err error) {
	var steps []func() error
	back = func() error {
		var failed []error
		for _, step := range slices.Backward(steps) {
			failed = append(failed, step())
		}
		return errors.Join(failed...)
	}
	doors, err := g.doors()
	steps = append(steps, func() error { closeAll(doors); return nil })
	if err != nil {
		return back, fmt.Errorf("enter control group: %w", err)
	}
	for _, d := range doors {
		if d.has(cpu) && g.limits.CPUs > 0 {
			if err := d.giveTime(0); err != nil {
				return back, fmt.Errorf("enter control group: %w", err)
			}
			steps = append(steps, func() error { return d.giveTime(g.limits.CPUs) })
		}
		if err := moveThread(d.in); err != nil {
			return back, fmt.Errorf("enter control group: %w", err)
		}
		steps = append(steps, func() error { return moveThread(d.out) })
	}
	return back, nil
}

// door is what moves a thread into a group of version 1, and out again.
type door struct {
	part
	in, out *os.File
}

// doors are those of the group, that of memory last, from the groups in which the calling thread is. The
// caller closes them, also when there is an error.
func (g *Group) doors() (all []door, err error) {
	old := slices.DeleteFunc(slices.Clone(g.parts), func(p part) bool { return p.unified })
	if len(old) == 0 {
		return nil, nil
	}
	self, err := memberOf("/proc/thread-self/cgroup")
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(old, func(a, b part) int {
		switch {
		case b.has(memory):
			return -1
		case a.has(memory):
			return 1
		}
		return 0
	})
	for _, p := range old {
		own, ok := p.directory(self)
		if !ok {
			return all, fmt.Errorf("the group of this process is not to be seen below %s", p.top)
		}
		d := door{part: p}
		if d.in, err = os.OpenFile(filepath.Join(p.dir, tasksFile), os.O_WRONLY, 0); err != nil {
			return all, err
		}
		all = append(all, d)
		if all[len(all)-1].out, err = os.OpenFile(filepath.Join(own, tasksFile), os.O_WRONLY, 0); err != nil {
			return all, err
		}
	}
	return all, nil
}

func closeAll(doors []door) {
	for _, d := range doors {
		_ = d.in.Close()
		_ = d.out.Close() // nil if it could not be opened
	}
}

func (p part) giveTime(cpus float64) error {
	s := p.time(cpus)
	return write(s.path, s.value)
}

// tasksFile has the threads of a group of version 1.
const tasksFile = "tasks"

// moveThread moves the calling thread. Said as 0, and not by its number, the kernel does it without
// making every thread of the machine wait that wants to fork.
func moveThread(tasks *os.File) error {
	_, err := tasks.WriteString("0")
	return err
}

// startsInGroup reports whether processes can be started in a group of version 2. The question is a
// start in no group at all, which is always refused: by a kernel that can do it because it knows no such
// file, by another, or by a filter of system calls, because it knows no such start.
func startsInGroup() bool {
	const size = 88 // of the version of the structure that has the group
	var args [size / 8]uint64
	args[0] = unix.CLONE_INTO_CGROUP
	args[10] = math.MaxInt32
	_, _, errno := unix.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&args)), size, 0)
	return errno == unix.EBADF
}
