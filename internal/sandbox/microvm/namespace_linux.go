package microvm

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/proctree"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
)

// inNamespace calls f on a thread that is in a network namespace.
func inNamespace(path string, f func() error) error {
	ns, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("enter network of sandbox: %w", err)
	}
	defer ns.Close()
	return elsewhere(func() error { return unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET) }, f)
}

// elsewhere calls f on a thread that has entered another network namespace.
func elsewhere(enter, f func() error) error {
	home, err := os.Open("/proc/self/ns/net") // the first thread never leaves it
	if err != nil {
		return fmt.Errorf("enter network of sandbox: %w", err)
	}
	defer home.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		proctree.OffFirstThread(func() {
			if err = enter(); err != nil {
				err = fmt.Errorf("enter network of sandbox: %w", err)
				return
			}
			err = f()
			if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
				runtime.LockOSThread() // for good: the thread ends with its goroutine
				err = errors.Join(err, fmt.Errorf("leave network of sandbox: %w", back))
			}
		})
	}()
	<-done
	return err
}

// newNamespace makes a network namespace that has a tap for a machine of the user, and nothing that leads anywhere.
// It lasts as long as the file is open, or who was started in it runs.
func newNamespace(user *vmm.User) (ns *os.File, err error) {
	err = elsewhere(func() error { return unix.Unshare(unix.CLONE_NEWNET) }, func() error {
		const usual = 1500
		tap, err := newTap(usual, user)
		if err == nil {
			err = netlink.LinkSetUp(tap)
		}
		if err == nil {
			ns, err = os.Open("/proc/thread-self/ns/net")
		}
		return err
	})
	if err != nil && ns != nil {
		_ = ns.Close() // it is gone with that
		ns = nil
	}
	return ns, err
}

// pathOf is a path of an open file, for this process.
func pathOf(f *os.File) string { return filepath.Join("/proc/self/fd", strconv.Itoa(int(f.Fd()))) }
