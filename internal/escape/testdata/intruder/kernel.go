//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// privileged is what root may do to the machine. The controls do it, too, in namespaces of their own, so
// nothing of it lasts.
func privileged(r *report, args []string) {
	dir := args[0]
	for _, fstype := range []string{"tmpfs", "proc"} {
		r.attempt("mount "+fstype, unix.Mount(fstype, dir, fstype, 0, ""))
	}
	r.attempt("bind mount", unix.Mount("/", dir, "", unix.MS_BIND, ""))
	r.attempt("mount again", unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""))
	r.attempt("unmount", unix.Unmount(dir, unix.MNT_DETACH))
	r.attempt("open a file system", first(unix.Fsopen("tmpfs", 0)))
	r.attempt("open a tree", first(unix.OpenTree(unix.AT_FDCWD, "/", unix.OPEN_TREE_CLONE)))
	r.attempt("host name", unix.Sethostname([]byte("intruder")))
	r.attempt("domain name", unix.Setdomainname([]byte("intruder")))
	now := unix.NsecToTimeval(time.Now().UnixNano())
	r.attempt("set the clock", unix.Settimeofday(&now))
	_ = os.Remove(dir + "-device")
	err := unix.Mknod(dir+"-device", unix.S_IFBLK|0o600, int(unix.Mkdev(7, 0)))
	r.attempt("make a block device", err)
	_ = os.Remove(dir + "-device")
	r.attempt("make a character device", unix.Mknod(dir+"-device", unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))))
	_ = os.Remove(dir + "-device")
	for _, s := range []struct {
		name                   string
		family, kind, protocol int
	}{
		{"raw ICMP socket", unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP},
		{"raw socket", unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW},
		{"raw TCP socket", unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_TCP},
		{"packet socket", unix.AF_PACKET, unix.SOCK_RAW, 0x0300},
		{"cooked packet socket", unix.AF_PACKET, unix.SOCK_DGRAM, 0x0300},
	} {
		fd, err := unix.Socket(s.family, s.kind, s.protocol)
		r.attempt(s.name, err)
		if err == nil {
			_ = unix.Close(fd)
		}
	}
	r.attempt("change the network", addAddress())
	r.attempt("make an interface", makeInterface())
	for _, ns := range []struct {
		name string
		flag int
	}{
		{"processes", unix.CLONE_NEWPID}, {"host name", unix.CLONE_NEWUTS}, {"ipc", unix.CLONE_NEWIPC},
		{"network", unix.CLONE_NEWNET}, {"mounts", unix.CLONE_NEWNS},
	} {
		r.attempt("namespace of "+ns.name, unix.Unshare(ns.flag))
	}
	r.attempt("chroot", unix.Chroot(dir))
}

// makeInterface makes one of which this process would be the other end. A sandbox lets programs open the
// device, but nobody use it.
func makeInterface() error {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("intruder0")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	return unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
}

// addAddress gives loopback one more address by netlink.
func addAddress() error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	m := make([]byte, unix.NLMSG_HDRLEN+8+8)
	binary.NativeEndian.PutUint32(m, uint32(len(m)))
	binary.NativeEndian.PutUint16(m[4:], unix.RTM_NEWADDR)
	binary.NativeEndian.PutUint16(m[6:], unix.NLM_F_REQUEST|unix.NLM_F_ACK|unix.NLM_F_CREATE|unix.NLM_F_REPLACE)
	copy(m[16:], []byte{unix.AF_INET, 32, 0, 0, 1, 0, 0, 0}) // loopback is the first interface
	binary.NativeEndian.PutUint16(m[24:], 8)
	binary.NativeEndian.PutUint16(m[26:], unix.IFA_LOCAL)
	copy(m[28:], []byte{127, 9, 9, 9})
	if err := unix.Sendto(fd, m, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil {
		return err
	}
	if n < 20 {
		return errors.New("the answer is short")
	}
	return errno(syscall.Errno(-int32(binary.NativeEndian.Uint32(answer[16:]))))
}

// kernel is what harms whoever it succeeds for, as little as possible.
func kernel(r *report, _ []string) {
	zero, name := make([]byte, 64), []byte("x\x00")
	p := func(b []byte) uintptr { return uintptr(unsafe.Pointer(&b[0])) }
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		panic(err)
	}
	defer self.Close()
	const disableCtrlAltDel = 0 // which takes the same right as to restart the machine
	for _, c := range []struct {
		name string
		no   uintptr
		args [5]uintptr
	}{
		{"init_module", unix.SYS_INIT_MODULE, [5]uintptr{p(zero), 64, p(name)}},
		{"finit_module", unix.SYS_FINIT_MODULE, [5]uintptr{self.Fd(), p(name)}},
		{"delete_module", unix.SYS_DELETE_MODULE, [5]uintptr{p(name), unix.O_NONBLOCK}},
		{"kexec_load", unix.SYS_KEXEC_LOAD, [5]uintptr{}},
		{"kexec_file_load", unix.SYS_KEXEC_FILE_LOAD, [5]uintptr{self.Fd(), ^uintptr(0), 0, 0, 4}},
		{"reboot", unix.SYS_REBOOT, [5]uintptr{unix.LINUX_REBOOT_MAGIC1, unix.LINUX_REBOOT_MAGIC2, disableCtrlAltDel}},
		{"clock_adjtime", unix.SYS_CLOCK_ADJTIME, [5]uintptr{unix.CLOCK_REALTIME, p(append(binary.NativeEndian.AppendUint32(nil, 0x4000), make([]byte, 252)...))}},
		{"swapoff", unix.SYS_SWAPOFF, [5]uintptr{p(name)}},
		{"acct", unix.SYS_ACCT, [5]uintptr{}},
		{"bpf", unix.SYS_BPF, [5]uintptr{0, p(binary.NativeEndian.AppendUint32(nil, 1)), 4}},
		{"perf_event_open", unix.SYS_PERF_EVENT_OPEN, [5]uintptr{p(make([]byte, 128)), 0, ^uintptr(0), ^uintptr(0)}},
		{"clear the kernel's log", unix.SYS_SYSLOG, [5]uintptr{5}},
		{"vhangup", unix.SYS_VHANGUP, [5]uintptr{}},
		{"lookup_dcookie", unix.SYS_LOOKUP_DCOOKIE, [5]uintptr{1, p(zero), 64}},
		{"userfaultfd", unix.SYS_USERFAULTFD, [5]uintptr{0}},
		{"fanotify", unix.SYS_FANOTIFY_INIT, [5]uintptr{0, 0}},
		{"quota", unix.SYS_QUOTACTL, [5]uintptr{0x800002 << 8, p(name), 0, p(zero)}},
		{"pivot_root", unix.SYS_PIVOT_ROOT, [5]uintptr{p([]byte("/tmp\x00")), p([]byte("/tmp\x00"))}},
	} {
		_, _, e := syscall.Syscall6(c.no, c.args[0], c.args[1], c.args[2], c.args[3], c.args[4], 0)
		r.attempt(c.name, errno(e))
	}
	ports(r)
	r.attempt("open by handle", openByHandle())
	for _, ns := range []string{"mnt", "net", "pid", "user", "cgroup", "ipc", "uts"} {
		path := "/proc/1/ns/" + ns
		f, err := os.Open(path)
		if err == nil {
			err = unix.Setns(int(f.Fd()), 0)
			f.Close()
		}
		r.attempt("enter "+path, err)
	}
	for _, s := range []struct {
		name         string
		family, kind int
	}{
		{"vsock", unix.AF_VSOCK, unix.SOCK_STREAM}, {"alg", unix.AF_ALG, unix.SOCK_SEQPACKET},
		{"bluetooth", unix.AF_BLUETOOTH, unix.SOCK_RAW}, {"can", unix.AF_CAN, unix.SOCK_RAW},
		{"xdp", unix.AF_XDP, unix.SOCK_RAW}, {"key", unix.AF_KEY, unix.SOCK_RAW}, {"rds", unix.AF_RDS, unix.SOCK_SEQPACKET},
		{"tipc", unix.AF_TIPC, unix.SOCK_STREAM},
	} {
		r.attempt(s.name+" socket", first(unix.Socket(s.family, s.kind, 0)))
	}
}

// openByHandle opens the root of the file system by its number, wherever this process may be.
func openByHandle() error {
	dir, err := os.Open("/")
	if err != nil {
		return err
	}
	defer dir.Close()
	handle := unix.NewFileHandle(1, []byte{2, 0, 0, 0, 0, 0, 0, 0})
	return first(unix.OpenByHandleAt(int(dir.Fd()), handle, unix.O_RDONLY))
}

// devices opens what leads to the machine, and writes to what changes its kernel.
func devices(r *report, _ []string) {
	for _, name := range []string{
		"kvm", "mem", "kmem", "port", "kmsg", "sda", "vda", "nvme0n1", "loop0", "loop-control", "vhost-net",
		"vhost-vsock", "vsock", "userfaultfd", "mapper/control", "snapshot", "uinput", "autofs", "hpet", "cpu/0/msr",
	} {
		r.attempt("open /dev/"+name, first(os.OpenFile("/dev/"+name, os.O_RDWR, 0)))
	}
	for _, path := range []string{"/proc/kcore", "/proc/kallsyms", "/proc/kmsg", "/proc/keys", "/proc/timer_list", "/proc/sched_debug", "/sys/kernel/debug", "/sys/firmware/efi"} {
		r.attempt("open "+path, first(os.Open(path)))
	}
	for _, path := range []string{
		"/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hostname",
		"/proc/sys/fs/binfmt_misc/register", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/vm/overcommit_memory", "/proc/1/oom_score_adj",
		"/sys/kernel/uevent_helper", "/sys/fs/cgroup/release_agent", "/sys/fs/cgroup/cgroup.procs", "/sys/kernel/mm/transparent_hugepage/enabled",
	} {
		r.attempt("write "+path, overwrite(path))
	}
}

// system changes the files of the sandbox's own root.
func system(r *report, _ []string) {
	for _, path := range []string{"/etc/passwd", "/etc/group", "/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf"} {
		r.attempt("write "+path, overwrite(path))
		r.attempt("remove "+path, os.Remove(path))
	}
	for _, dir := range []string{"/", "/etc", "/.nex", "/dev", "/proc", "/sys"} {
		r.attempt("make a file in "+dir, os.WriteFile(filepath.Join(dir, "intruder"), nil, 0o600))
	}
}

// setUserID runs programs that have the bit of root's, and tries to make one.
func setUserID(r *report, programs []string) {
	own, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		panic(err)
	}
	made := filepath.Join(os.TempDir(), "set-user-id")
	if err := os.WriteFile(made, own, 0o755); err != nil {
		panic(err)
	}
	if os.Getuid() != 0 {
		r.attempt("give a file to root", os.Chown(made, 0, 0))
	}
	if err := os.Chmod(made, 0o755|os.ModeSetuid|os.ModeSetgid); err != nil {
		r.note("set the bit: %v", err)
	}
	for _, program := range append(programs, made) {
		r.attempt("run "+program, gains(program))
	}
}

// gains reports whether a program has more rights than this one.
func gains(program string) error {
	out, err := exec.Command(program, "whoami").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if got, own := strings.TrimSpace(string(out)), whoami(); got == own {
		return fmt.Errorf("it gains nothing: %s", got)
	}
	return nil
}

// whoami is who this process is, and what it may do.
func whoami() string {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err.Error()
	}
	var who []string
	for line := range strings.Lines(string(status)) {
		for _, name := range []string{"Uid:", "Gid:", "Groups:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"} {
			if strings.HasPrefix(line, name) {
				who = append(who, strings.Join(strings.Fields(line), " "))
			}
		}
	}
	return strings.Join(who, ", ")
}

// confined attacks as root of a user namespace, with namespaces of mounts and processes, if there can be any.
func confined(r *report, args []string) {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	if err := cmd.Run(); err != nil {
		r.attempt("a user namespace", err)
		return
	}
	os.Exit(0) // it has told the number of attempts
}

// lift tries to be rid of its bounds by way of control groups.
func lift(r *report, _ []string) {
	dir, err := os.MkdirTemp("", "groups-")
	if err != nil {
		panic(err)
	}
	for fstype, options := range map[string]string{"cgroup2": "", "cgroup": "pids"} {
		err := unix.Mount("cgroup", dir, fstype, 0, options)
		if err != nil {
			r.attempt("mount "+fstype, err)
			continue
		}
		r.note("%s can be mounted", fstype)
		_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				switch d.Name() {
				case "pids.max", "memory.max", "cpu.max":
					r.attempt("lift "+path, os.WriteFile(path, []byte("max"), 0))
				case "cgroup.procs", "cgroup.kill":
					r.attempt("write "+path, os.WriteFile(path, []byte("1"), 0))
				}
			}
			return nil
		})
		r.attempt("make a group", os.Mkdir(filepath.Join(dir, "intruder"), 0o755))
		_ = unix.Unmount(dir, unix.MNT_DETACH)
	}
}
