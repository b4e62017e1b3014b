package proctree

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/windows"
)

func identify(pid int) (Identity, error) {
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(pid))
	if errors.Is(err, windows.ERROR_INVALID_PARAMETER) {
		return Identity{}, ErrNotFound
	}
	if err != nil {
		return Identity{}, fmt.Errorf("open process %d: %w", pid, err)
	}
	defer windows.CloseHandle(h)
	return identityOf(h, pid)
}

func identityOf(h windows.Handle, pid int) (Identity, error) {
	var created, exited, kernel, user windows.Filetime
	if err := windows.GetProcessTimes(h, &created, &exited, &kernel, &user); err != nil {
		return Identity{}, fmt.Errorf("read times of process %d: %w", pid, err)
	}
	return Identity{PID: pid, StartTime: uint64(created.Nanoseconds())}, nil
}

const openToWatch = windows.PROCESS_QUERY_LIMITED_INFORMATION | windows.SYNCHRONIZE

// open returns a handle of that very process, if it runs; the caller closes it.
func (id Identity) open(access uint32) (windows.Handle, bool) {
	h, err := windows.OpenProcess(access, false, uint32(id.PID))
	if err != nil {
		return 0, false
	}
	now, err := identityOf(h, id.PID)
	event, _ := windows.WaitForSingleObject(h, 0)
	if err != nil || now != id || event != uint32(windows.WAIT_TIMEOUT) {
		_ = windows.CloseHandle(h)
		return 0, false
	}
	return h, true
}

func (id Identity) running() bool {
	h, ok := id.open(openToWatch)
	if ok {
		_ = windows.CloseHandle(h)
	}
	return ok
}

// kill ends the roots alone: their trees ended when the process that held their jobs did.
func kill(ctx context.Context, scopes []Scope) error {
	var failed []error
	for _, s := range scopes {
		failed = append(failed, killRoot(ctx, s.Root))
	}
	return errors.Join(failed...)
}

func killRoot(ctx context.Context, root Identity) error {
	if root.PID == 0 {
		return nil
	}
	h, ok := root.open(openToWatch | windows.PROCESS_TERMINATE)
	if !ok {
		return nil
	}
	defer windows.CloseHandle(h)
	if err := windows.TerminateProcess(h, exitKilled); err != nil {
		return fmt.Errorf("terminate process %d: %w", root.PID, err)
	}
	// The wait cannot be interrupted, so it is cut into pieces.
	const piece = 50 // milliseconds
	for {
		event, err := windows.WaitForSingleObject(h, piece)
		if err != nil {
			return fmt.Errorf("wait for process %d: %w", root.PID, err)
		}
		if event == windows.WAIT_OBJECT_0 {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("process %d is left: %w", root.PID, context.Cause(ctx))
		}
	}
}
