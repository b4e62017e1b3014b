//go:build linux

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

func processes(r *report, pids []string) {
	for _, arg := range pids {
		pid, err := strconv.Atoi(arg)
		if err != nil {
			panic(err)
		}
		look(r, pid)
		trace(r, pid)
		signals(r, pid)
	}
}

// look reads what the system tells of a process.
func look(r *report, pid int) {
	dir := fmt.Sprintf("/proc/%d/", pid)
	for _, name := range []string{"environ", "maps", "auxv"} {
		b, err := os.ReadFile(dir + name)
		if err == nil && len(b) == 0 {
			err = errors.New("it is empty")
		}
		r.attempt(dir+name, err)
	}
	r.attempt(dir+"mem", first(os.Open(dir+"mem")))
	for _, name := range []string{"fd", "map_files", "cwd", "root", "task/" + strconv.Itoa(pid) + "/fd"} {
		r.attempt("list "+dir+name, first(os.ReadDir(dir+name)))
	}
	r.attempt("open "+dir+"fd/0", first(os.Open(dir+"fd/0")))
	r.attempt("follow "+dir+"exe", first(os.Readlink(dir+"exe")))
}

// trace gets at its memory and its files.
func trace(r *report, pid int) {
	page := make([]byte, 8)
	local := []unix.Iovec{{Base: &page[0], Len: 8}}
	// Where it is loaded, unless it is elsewhere: then the error is another one.
	_, err := unix.ProcessVMReadv(pid, local, []unix.RemoteIovec{{Base: 0x400000, Len: 8}}, 0)
	if errors.Is(err, unix.EFAULT) {
		err = nil
	}
	r.attempt(fmt.Sprintf("read memory of %d", pid), err)
	_, err = unix.ProcessVMWritev(pid, local, []unix.RemoteIovec{{Base: 0, Len: 8}}, 0)
	if errors.Is(err, unix.EFAULT) {
		err = nil
	}
	r.attempt(fmt.Sprintf("write memory of %d", pid), err)
	err = syscall.PtraceAttach(pid)
	if err == nil {
		_, _ = syscall.Wait4(pid, nil, syscall.WALL, nil)
		_ = syscall.PtraceDetach(pid)
	}
	r.attempt(fmt.Sprintf("trace %d", pid), err)
	const seize = 0x4206
	_, _, e := syscall.Syscall6(syscall.SYS_PTRACE, seize, uintptr(pid), 0, 0, 0, 0)
	r.attempt(fmt.Sprintf("seize %d", pid), errno(e))
	r.attempt(fmt.Sprintf("take a file of %d", pid), takeFile(pid))
	limit := unix.Rlimit{Cur: 1 << 12, Max: 1 << 12}
	r.attempt(fmt.Sprintf("limit %d", pid), unix.Prlimit(pid, unix.RLIMIT_NOFILE, &limit, nil))
}

func takeFile(pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return first(unix.PidfdGetfd(fd, 0, 0))
}

// signals sends all that there are, one by one, the deadly ones last, since they leave nobody to send to.
func signals(r *report, pid int) {
	fd, _ := unix.PidfdOpen(pid, 0)
	for _, s := range append([]int{0, int(unix.SIGSTOP), int(unix.SIGCONT)}, all(1, 64)...) {
		err := unix.Kill(pid, syscall.Signal(s))
		if e := unix.Tgkill(pid, pid, syscall.Signal(s)); err != nil {
			err = e
		}
		if e := unix.PidfdSendSignal(fd, syscall.Signal(s), nil, 0); err != nil {
			err = e
		}
		if err == nil || s == int(unix.SIGKILL) || s == 0 {
			r.attempt(fmt.Sprintf("signal %d to %d", s, pid), err)
		}
		if err == nil && s == int(unix.SIGHUP) {
			break // a process that is not on its guard has ended
		}
	}
}

func all(from, to int) []int {
	var list []int
	for i := from; i <= to; i++ {
		list = append(list, i)
	}
	return list
}

func errno(e syscall.Errno) error {
	if e != 0 {
		return e
	}
	return nil
}

// become is about other users, and the capabilities that come with them.
func become(r *report, _ []string) {
	for _, id := range []int{0, 1, 65520, 65534} {
		if id == os.Getuid() {
			continue
		}
		// By the bare calls, which change this thread only.
		_, _, e := syscall.RawSyscall(syscall.SYS_SETRESUID, uintptr(id), uintptr(id), uintptr(id))
		r.attempt(fmt.Sprintf("become user %d", id), errno(e))
		if id == os.Getgid() {
			continue
		}
		_, _, e = syscall.RawSyscall(syscall.SYS_SETRESGID, uintptr(id), uintptr(id), uintptr(id))
		r.attempt(fmt.Sprintf("become group %d", id), errno(e))
	}
	groups := []uint32{0, 65520}
	_, _, e := syscall.RawSyscall(syscall.SYS_SETGROUPS, 2, uintptr(unsafe.Pointer(&groups[0])), 0)
	r.attempt("join groups", errno(e))
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	sets := [2]unix.CapUserData{{Effective: ^uint32(0), Permitted: ^uint32(0)}, {Effective: 0x1ff, Permitted: 0x1ff}}
	r.attempt("gain capabilities", unix.Capset(&header, &sets[0]))
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, c, 0, 0); err == nil {
			r.attempt(fmt.Sprintf("raise capability %d", c), nil)
		}
	}
}

// secret is what a seed of an nkey user looks like.
var secret = regexp.MustCompile(`\bSU[A-Z2-7]{56}\b|"link_dir"`)

// mostRead is how much of a file is looked at. What is larger is a program.
const mostRead = 4 << 20

// search looks into every file, and knocks at every socket.
func search(r *report, _ []string) {
	files := 0
	_ = filepath.WalkDir("/", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // it may not be entered
		}
		switch {
		case d.Type()&fs.ModeSocket != 0:
			r.attempt("connect to "+path, first(net.Dial("unix", path)))
		case d.Type().IsRegular():
			if info, err := d.Info(); err == nil && info.Size() <= mostRead {
				if b, err := os.ReadFile(path); err == nil {
					files++
					if found := secret.Find(b); found != nil {
						r.attempt(fmt.Sprintf("found %q in %s", found, path), nil)
					}
				}
			}
		}
		return nil
	})
	r.note("%d files could be read", files)
	if files == 0 {
		panic("search has read nothing")
	}
	for _, path := range []string{"/.nex/own", "/.nex/own/link", "/.nex/own/cgroup"} {
		r.attempt("list "+path, first(os.ReadDir(path)))
	}
	for _, path := range []string{"/.nex/own/link/link.sock", "/.nex/link/link.sock", "@link.sock"} {
		r.attempt("connect to "+path, first(net.Dial("unix", path)))
	}
	for _, path := range []string{"/.nex/in/artifact", "/.nex/agent"} {
		r.attempt("write "+path, overwrite(path))
		r.attempt("remove "+path, os.Remove(path))
		r.attempt("change "+path, os.Chmod(path, 0o777))
	}
	r.attempt("make a file beside the artifact", os.WriteFile("/.nex/in/other", nil, 0o600))
}
