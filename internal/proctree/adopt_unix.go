//go:build linux || darwin

package proctree

import (
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	nex "github.com/nex-engine/nex"
)

// Adopt takes over a tree that an earlier process has started with [Outlive], by who its root is and with the
// same marker, if there was one. The root need not be a child of this process. Its Wait returns nil when the root
// has ended, and Exit says how as far as that can be known. The error is [ErrNotFound] if the root does not run
// any more; others of the tree may, and are for [Kill].
//
// The caller must call Wait. What watches the root ends with it.
func Adopt(root Identity, opts ...Option) (*Tree, error) {
	w, err := watch(root)
	if err != nil {
		return nil, err
	}
	t := &Tree{root: root, exited: make(chan struct{})}
	for _, o := range opts {
		o(&t.options)
	}
	t.wait = sync.OnceValue(func() error {
		<-t.exited
		defer w.release()
		exit, ours := reapRoot(root)
		if !ours {
			exit = w.exit()
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		t.reaped, t.exit = true, exit
		return nil
	})
	go func() {
		<-w.ended
		close(t.exited)
	}()
	return t, nil
}

// reapRoot says how the root of an adopted tree has ended, if it has come to be a child of this process: as it
// does when a process has replaced its program by another, or is the one that orphans are given to.
func reapRoot(root Identity) (exit nex.Exit, ours bool) {
	p, err := readProcess(root.PID)
	if err != nil || p.start != root.StartTime || p.ppid != os.Getpid() {
		return nex.Exit{}, false
	}
	var status unix.WaitStatus
	if pid, err := unix.Wait4(root.PID, &status, unix.WNOHANG, nil); err != nil || pid != root.PID {
		return nex.Exit{}, false
	}
	return exitOfStatus(syscall.WaitStatus(status)), true
}

func exitOfStatus(status syscall.WaitStatus) nex.Exit {
	if status.Signaled() {
		return nex.Exit{Code: -1, Signal: signalOf(status)}
	}
	return nex.Exit{Code: status.ExitStatus()}
}
