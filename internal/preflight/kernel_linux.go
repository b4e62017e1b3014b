package preflight

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/preflight/checklist"
)

// kernelForGVisor tries what gVisor asks of the kernel, each as this user.
func kernelForGVisor() []checklist.Item {
	items := []checklist.Item{}
	for _, n := range []struct {
		name, path, what string
		try              func() error
		otherwise        string
	}{
		{
			"user-namespaces", "/proc/self/ns/user", "user namespaces", tryUserNamespace,
			"allow them (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns), or use another machine",
		},
		{"seccomp", "/proc/sys/kernel/seccomp/actions_avail", "system call filters that trap", trySeccomp, "use a kernel that has CONFIG_SECCOMP_FILTER"},
		{"ptrace", "/proc/sys/kernel/yama/ptrace_scope", "tracing of own child processes", tryPtrace, "set sysctl kernel.yama.ptrace_scope to less than 3"},
	} {
		item := checklist.Item{Name: n.name, Path: n.path, Description: "kernel support: " + n.what, Optional: true}
		if err := n.try(); err != nil {
			items = append(items, item.Missing(fmt.Sprintf("it does not work (%v): %s", err, n.otherwise)))
			continue
		}
		items = append(items, item.Found())
	}
	return items
}

func tryUserNamespace() error {
	return tryStart(&syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
	})
}

func tryPtrace() error { return tryStart(&syscall.SysProcAttr{Ptrace: true}) }

// tryStart starts this program in the given way and ends it at once, before it can do anything that
// matters: whether it starts is the question.
func tryStart(how *syscall.SysProcAttr) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	runtime.LockOSThread() // a traced process belongs to the thread that starts it
	defer runtime.UnlockOSThread()
	pid, err := syscall.ForkExec(self, []string{self, "--version"}, &syscall.ProcAttr{
		Files: []uintptr{null.Fd(), null.Fd(), null.Fd()}, Sys: how,
	})
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return err
	}
	for {
		var status syscall.WaitStatus
		_, err := syscall.Wait4(pid, &status, 0, nil)
		if err == syscall.EINTR || err == nil && status.Stopped() { // traced ones stop first
			continue
		}
		return err
	}
}

// trySeccomp asks whether a filter may trap system calls, which is how gVisor takes them over.
func trySeccomp() error {
	action := uint32(unix.SECCOMP_RET_TRAP)
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action)))
	if errno != 0 {
		return errno
	}
	return nil
}

// getAPIVersion is KVM_GET_API_VERSION, and apiVersion its answer on every kernel since 2.6.22.
const (
	getAPIVersion = 0xAE00
	apiVersion    = 12
)

// tryKVM opens the device and asks it something.
func tryKVM(device string) error {
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	version, err := unix.IoctlRetInt(int(f.Fd()), getAPIVersion)
	if err != nil {
		return err
	}
	if version != apiVersion {
		return fmt.Errorf("its interface has version %d, not %d", version, apiVersion)
	}
	return nil
}
