package proctree

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// holder is the job object that holds a tree: whatever a process in it starts is in it as well, and
// all of them end when its last handle is closed, be it by the death of this process.
type holder struct {
	jobMu sync.Mutex
	job   windows.Handle // 0 before it is made and once it is released
}

func (h *holder) release() {
	h.jobMu.Lock()
	defer h.jobMu.Unlock()
	if h.job != 0 {
		_ = windows.CloseHandle(h.job)
		h.job = 0
	}
}

// setAttributes has the root start suspended, so that it can start nothing before it is in the job,
// and in a console group of its own, so that a break event reaches nobody else.
func (t *Tree) setAttributes() {
	var a syscall.SysProcAttr
	if t.cmd.SysProcAttr != nil {
		a = *t.cmd.SysProcAttr
	}
	a.CreationFlags |= windows.CREATE_SUSPENDED | windows.CREATE_NEW_PROCESS_GROUP
	t.cmd.SysProcAttr = &a
}

// closeOnExec does nothing: a child gets only the handles that it is given.
func closeOnExec() {}

// hold puts the suspended root into a job and lets it run.
func (t *Tree) hold() error {
	job, err := newJob()
	if err != nil {
		return fmt.Errorf("make job object: %w", err)
	}
	t.jobMu.Lock()
	t.job = job // from now on release closes it
	t.jobMu.Unlock()
	pid := uint32(t.cmd.Process.Pid)
	root, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, pid)
	if err != nil {
		return fmt.Errorf("open process: %w", err)
	}
	defer windows.CloseHandle(root)
	if err := windows.AssignProcessToJobObject(job, root); err != nil {
		return fmt.Errorf("put process into job object: %w", err)
	}
	return resume(pid)
}

func newJob() (windows.Handle, error) {
	handle, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return 0, err
	}
	var limits windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION
	limits.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	_, err = windows.SetInformationJobObject(handle, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&limits)), uint32(unsafe.Sizeof(limits)))
	if err != nil {
		_ = windows.CloseHandle(handle)
		return 0, err
	}
	return handle, nil
}

// resume lets a suspended process run. Its one thread is looked up because os/exec keeps no handle
// of it.
func resume(pid uint32) error {
	snapshot, err := windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPTHREAD, 0)
	if err != nil {
		return fmt.Errorf("list threads: %w", err)
	}
	defer windows.CloseHandle(snapshot)
	entry := windows.ThreadEntry32{Size: uint32(unsafe.Sizeof(windows.ThreadEntry32{}))}
	for err = windows.Thread32First(snapshot, &entry); err == nil; err = windows.Thread32Next(snapshot, &entry) {
		if entry.OwnerProcessID == pid {
			return resumeThread(entry.ThreadID)
		}
	}
	return fmt.Errorf("find thread of process: %w", err)
}

func resumeThread(id uint32) error {
	thread, err := windows.OpenThread(windows.THREAD_SUSPEND_RESUME, false, id)
	if err != nil {
		return fmt.Errorf("open thread: %w", err)
	}
	defer windows.CloseHandle(thread)
	if _, err := windows.ResumeThread(thread); err != nil {
		return fmt.Errorf("resume thread: %w", err)
	}
	return nil
}

// attend returns when the root has ended.
func (t *Tree) attend() {
	// The process id is not given to another as long as os/exec has its handle, which is until Wait.
	root, err := windows.OpenProcess(windows.SYNCHRONIZE, false, uint32(t.root.PID))
	if err != nil {
		return
	}
	defer windows.CloseHandle(root)
	_, _ = windows.WaitForSingleObject(root, windows.INFINITE)
}

func (t *Tree) signal(sig os.Signal) error {
	if sig == os.Kill {
		return t.terminate()
	}
	if isClosed(t.exited) {
		return os.ErrProcessDone
	}
	if err := windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(t.root.PID)); err != nil {
		return fmt.Errorf("send break event to process %d: %w", t.root.PID, err)
	}
	return nil
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// exitKilled is the exit code of processes that Kill ends.
const exitKilled = 137

func (h *holder) terminate() error {
	h.jobMu.Lock()
	defer h.jobMu.Unlock()
	if h.job == 0 {
		return os.ErrProcessDone
	}
	if err := windows.TerminateJobObject(h.job, exitKilled); err != nil {
		return fmt.Errorf("terminate job object: %w", err)
	}
	return nil
}

// population says how many processes are in the job.
func (h *holder) population() (int, error) {
	h.jobMu.Lock()
	defer h.jobMu.Unlock()
	if h.job == 0 {
		return 0, nil
	}
	var info accounting
	err := windows.QueryInformationJobObject(h.job, windows.JobObjectBasicAccountingInformation,
		uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)), nil)
	if err != nil {
		return 0, fmt.Errorf("query job object: %w", err)
	}
	return int(info.ActiveProcesses), nil
}

// accounting is JOBOBJECT_BASIC_ACCOUNTING_INFORMATION of winnt.h.
type accounting struct {
	TotalUserTime, TotalKernelTime, ThisPeriodTotalUserTime, ThisPeriodTotalKernelTime int64

	TotalPageFaultCount, TotalProcesses, ActiveProcesses, TotalTerminatedProcesses uint32
}

func (t *Tree) kill(ctx context.Context) error {
	if err := t.terminate(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	// A job tells of its end only through a completion port with a thread of its own; termination
	// takes no longer than a few of these looks.
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		n, err := t.population()
		if err != nil {
			return err
		}
		if n == 0 {
			t.release()
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("kill process tree: %d processes are left: %w", n, context.Cause(ctx))
		case <-time.After(pause):
		}
	}
}

func signalName(*os.ProcessState) string { return "" }

func setSubreaper() error { return nil }
