package vminit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/guest"
)

const (
	// changedRoot is where the first disk is mounted that a script changes.
	changedRoot = "/changed"
	// scriptInRoot is the script as it sees itself.
	scriptInRoot = "/run/nex-script"
)

// around are mounted in the root that a script changes, so that nothing of them stays there.
var around = []mount{
	{"proc", "/proc", "proc", safe | unix.MS_NOEXEC, ""},
	{"sysfs", "/sys", "sysfs", safe | unix.MS_NOEXEC | unix.MS_RDONLY, ""},
	{"devtmpfs", "/dev", "devtmpfs", unix.MS_NOSUID | unix.MS_NOEXEC, ""},
	{"tmpfs", "/dev/shm", "tmpfs", safe, "mode=1777"},
	{"devpts", "/dev/pts", "devpts", unix.MS_NOSUID | unix.MS_NOEXEC, "mode=0620,ptmxmode=0666"},
	{"tmpfs", "/run", "tmpfs", safe, "mode=0755"},
	{"tmpfs", "/tmp", "tmpfs", safe, "mode=1777"},
}

// own are files that each machine writes anew: the script sees the VM's, and the root keeps its own.
var own = []string{"/etc/hosts", "/etc/resolv.conf"}

// hasScript reports whether the VM is there to run a script.
func hasScript(first *initramfs) bool {
	_, err := os.Stat(guest.ScriptPath)
	return err == nil && first != nil
}

// runScript runs the script, in the root that it changes, which is in order when it returns without an error.
func runScript(e *events, first *initramfs) (guest.Exit, error) {
	var setup guest.ScriptSetup
	b, err := os.ReadFile(guest.ScriptSetupPath)
	if err == nil {
		err = json.Unmarshal(b, &setup)
	}
	if err != nil {
		return guest.Exit{}, fmt.Errorf("read what the script needs: %w", err)
	}
	if err := e.await(rootDisk); err != nil {
		return guest.Exit{}, err
	}
	if err := together(first.loadDevices, raiseLoopback); err != nil {
		return guest.Exit{}, err
	}
	if err := identify(guest.Boot{Time: setup.Time, Entropy: setup.Entropy, Network: setup.Network}); err != nil {
		return guest.Exit{}, err
	}
	if err := mountChanged(); err != nil {
		return guest.Exit{}, err
	}
	exit, err := execScript()
	// What the script has mounted besides ends with the VM.
	if left := unix.Mount("", changedRoot, "", unix.MS_REMOUNT|unix.MS_RDONLY|unix.MS_NOATIME, ""); left != nil && err == nil {
		err = fmt.Errorf("the root file system cannot be left in order: the script has left something in use: %w", left)
	}
	return exit, err
}

// mountChanged mounts the root, and in it what a program expects.
func mountChanged() error {
	if err := (mount{rootDisk, changedRoot, "ext4", unix.MS_NOATIME, ""}).do(); err != nil {
		return err
	}
	for _, m := range around {
		m.target = filepath.Join(changedRoot, m.target)
		if err := m.do(); err != nil {
			return err
		}
	}
	for _, file := range own {
		target := filepath.Join(changedRoot, file)
		if info, err := os.Lstat(target); err != nil || !info.Mode().IsRegular() {
			continue
		}
		// A VM without a network has no such file.
		if err := unix.Mount(file, target, "", unix.MS_BIND, ""); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("mount %s: %w", target, err)
		}
	}
	script, err := os.ReadFile(guest.ScriptPath)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(changedRoot, scriptInRoot), script, 0o700)
}

// execScript runs the script, with its output on the console.
func execScript() (guest.Exit, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return guest.Exit{}, err
	}
	defer null.Close()
	// By way of a pipe: programs say less to what is no terminal.
	output, writes, err := os.Pipe()
	if err != nil {
		return guest.Exit{}, err
	}
	defer output.Close()
	pid, err := syscall.ForkExec(scriptInRoot, []string{scriptInRoot}, &syscall.ProcAttr{
		Dir: "/",
		Env: []string{
			"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TERM=dumb",
		},
		Files: []uintptr{null.Fd(), writes.Fd(), writes.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true, Chroot: changedRoot},
	})
	writes.Close()
	switch {
	case errors.Is(err, unix.ENOEXEC):
		return guest.Exit{}, errors.New("the script is neither a program for this machine nor begins with #! and an interpreter, such as #!/bin/sh")
	case errors.Is(err, fs.ErrNotExist):
		return guest.Exit{}, errors.New("the script has an interpreter that the root file system has not: build it on top of an image that has one")
	case err != nil:
		return guest.Exit{}, fmt.Errorf("start the script: %w", err)
	}
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		_, _ = io.Copy(terminal.tty(), output) // nobody else could be told
	}()
	exit, err := (&agent{pid: pid}).wait()
	killRest() // it may have left somebody who writes
	<-shown
	return exit, err
}

// killRest kills all but the init, and returns when nobody is left.
func killRest() {
	_ = unix.Kill(-1, unix.SIGKILL) // there may be nobody
	for {
		if _, err := unix.Wait4(-1, nil, 0, nil); err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
	}
}
