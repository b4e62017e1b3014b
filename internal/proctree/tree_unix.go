//go:build linux || darwin

package proctree

import (
	"context"
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// holder is what is known of a tree besides its root.
type holder struct {
	// unkilled are processes that did not end while Kill had time. They have their signal, but
	// when they end late nothing else may tell by then that they belong to the tree.
	unkilled []process
}

func (t *Tree) hold() error { return nil }

func (*holder) release() {}

// setAttributes changes a copy, because the caller may start other commands with the same ones.
func (t *Tree) setAttributes() {
	var a syscall.SysProcAttr
	if t.cmd.SysProcAttr != nil {
		a = *t.cmd.SysProcAttr
	}
	a.Setsid = true
	a.Setpgid = false // setsid makes the group; setpgid after it fails
	if !t.options.outlive {
		dieWithParent(&a)
	}
	t.cmd.SysProcAttr = &a
}

// signal is called with t.mu held: until the root is reaped its process group cannot be anyone
// else's.
func (t *Tree) signal(sig os.Signal) error {
	s, ok := sig.(syscall.Signal)
	if !ok {
		return errors.New("proctree: unsupported signal " + sig.String())
	}
	if t.cmd == nil && !t.root.Running() { // somebody else may have reaped an adopted one
		return os.ErrProcessDone
	}
	err := unix.Kill(-t.root.PID, s)
	switch {
	case errors.Is(err, unix.ESRCH):
		return os.ErrProcessDone
	case errors.Is(err, unix.EPERM) && isClosed(t.exited):
		return os.ErrProcessDone // darwin's word for a group of which only the zombie is left
	}
	return err
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func (t *Tree) kill(ctx context.Context) error {
	t.mu.Lock()
	known := t.unkilled
	t.mu.Unlock()
	k := newKiller(selection{roots: []Identity{t.root}, markers: t.options.marker, adopted: isSubreaper(), known: known})
	err := k.run(ctx)
	t.mu.Lock()
	t.unkilled = k.selection.known
	t.mu.Unlock()
	return err
}

func kill(ctx context.Context, scopes []Scope) error {
	var s selection
	boot, err := bootID()
	if err != nil {
		return err
	}
	for _, scope := range scopes {
		if scope.MarkerName != "" {
			s.markers = append(s.markers, marker(scope.MarkerName, scope.MarkerValue))
		}
		if scope.Root.BootID == "" || scope.Root.BootID == boot { // else nobody of it can be left
			s.roots = append(s.roots, scope.Root)
		}
	}
	return newKiller(s).run(ctx)
}

func signalName(state *os.ProcessState) string {
	ws, ok := state.Sys().(syscall.WaitStatus)
	if !ok || !ws.Signaled() {
		return ""
	}
	return signalOf(ws)
}

func signalOf(ws syscall.WaitStatus) string {
	if name := unix.SignalName(ws.Signal()); name != "" {
		return name
	}
	return ws.Signal().String() // a real-time signal has a number only
}
