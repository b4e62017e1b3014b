package kvm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// path is KVM's device.
const path = "/dev/kvm"

// budget is how long a trial may take, of which a usable KVM needs a hundredth part.
const budget = time.Second

// The numbers of KVM's requests that all processors have.
const (
	getAPIVersion   = 0xae00
	createVM        = 0xae01
	getVCPUMmapSize = 0xae04
	createVCPU      = 0xae41
	apiVersion      = 12
)

// Check starts a small virtual machine and sees how fast it runs. It takes a second at most, or until ctx
// ends. The error says in a sentence what does not work and what to do.
func Check(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { // ends when the trial does, which bounds itself
		runtime.LockOSThread() // what a virtual processor is asked must come from one thread, which ends with it
		done <- try(ctx)
	}()
	return <-done
}

func try(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	kvm, err := os.OpenFile(path, os.O_RDWR, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("there is no " + path + ": switch virtualization on in the machine's firmware, or nested virtualization in its hypervisor, and load the module kvm_intel or kvm_amd")
	case errors.Is(err, fs.ErrPermission):
		return errors.New("the node may not open " + path + ": add its user to the group that owns it, mostly kvm")
	case err != nil:
		return fmt.Errorf("KVM does not work: %w", err)
	}
	defer kvm.Close()
	if err := checkVersion(ask(kvm.Fd(), getAPIVersion, 0)); err != nil {
		return err
	}
	vm, err := ask(kvm.Fd(), createVM, 0)
	if err != nil {
		return fmt.Errorf("KVM cannot make a virtual machine: %w: see whether another hypervisor has the processor", err)
	}
	defer unix.Close(int(vm))
	size, err := ask(kvm.Fd(), getVCPUMmapSize, 0)
	if err != nil {
		return fmt.Errorf("KVM cannot make a virtual processor: %w", err)
	}
	cpu, err := ask(vm, createVCPU, 0)
	if err != nil {
		return fmt.Errorf("KVM cannot make a virtual processor: %w", err)
	}
	defer unix.Close(int(cpu))
	return run(ctx, vm, cpu, int(size))
}

// checkVersion takes what KVM answers when it is asked for its version.
func checkVersion(v uintptr, err error) error {
	switch {
	case err != nil:
		return fmt.Errorf("%s is not KVM: it does not say its version: %w", path, err)
	case v != apiVersion:
		return fmt.Errorf("%s is not KVM as it has been since Linux 2.6.22: it says version %d", path, v)
	}
	return nil
}

// ask makes a request of KVM, which may be interrupted.
func ask(fd, request, argument uintptr) (uintptr, error) {
	for {
		r, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, request, argument)
		if errno != unix.EINTR {
			return r, cause(errno)
		}
	}
}

func cause(errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}
