//go:build linux

// Command probe tries what a workload must not be able to do, and what it must. Each line that it prints is
// a name, a space and the error, or "ok".
package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		fmt.Println("status", err)
	}
	for line := range strings.Lines(string(status)) {
		for _, name := range []string{"Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs"} {
			if value, ok := strings.CutPrefix(line, name+":"); ok {
				fmt.Println(name, strings.Join(strings.Fields(value), " "))
			}
		}
	}
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "status":
			return
		case "eat":
			eat()
		}
	}
	if dir, err := os.Getwd(); err == nil {
		fmt.Println("dir", dir)
	}
	for _, variable := range os.Environ() {
		fmt.Println("env", variable)
	}
	for _, a := range attempts {
		if err := a.do(); err != nil {
			fmt.Println(a.name, err)
			continue
		}
		fmt.Println(a.name, "ok")
	}
	fmt.Println("done")
}

// eat uses ever more memory.
func eat() {
	var eaten [][]byte
	for {
		block := make([]byte, 1<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		eaten = append(eaten, block)
	}
}

var attempts = []struct {
	name string
	do   func() error
}{
	{"connect-link", func() error { return first(net.Dial("unix", "/.nex/own/link/link.sock")) }},
	{"open-wake", func() error { return first(os.OpenFile("/.nex/own/link/wake", os.O_RDONLY|syscall.O_NONBLOCK, 0)) }},
	{"list-own", func() error { return first(os.ReadDir("/.nex/own")) }},
	{"agent-environ", func() error { return first(os.ReadFile("/proc/1/environ")) }},
	{"agent-memory", func() error { return first(os.Open("/proc/1/mem")) }},
	{"agent-files", func() error { return first(os.ReadDir("/proc/1/fd")) }},
	{"agent-signal", func() error { return syscall.Kill(1, syscall.SIGKILL) }},
	{"agent-trace", func() error { return syscall.PtraceAttach(1) }},
	{"root-user", func() error { return syscall.Setuid(0) }},
	{"agent-user", func() error { return syscall.Setuid(65520) }},
	{"mount", func() error { return syscall.Mount("tmpfs", "/work", "tmpfs", 0, "") }},
	{"chroot", func() error { return syscall.Chroot("/work") }},
	{"raw-socket", func() error { return socket(syscall.AF_INET, syscall.SOCK_RAW, syscall.IPPROTO_ICMP) }},
	{"packet-socket", func() error { return socket(syscall.AF_PACKET, syscall.SOCK_RAW, 0) }},
	{"device", func() error { return syscall.Mknod("/work/device", syscall.S_IFBLK|0o666, 0x0801) }},
	{"kvm", func() error { return first(os.OpenFile("/dev/kvm", os.O_RDWR, 0)) }},
	{"module", func() error { return errno(syscall.Syscall(syscall.SYS_INIT_MODULE, 0, 0, 0)) }},
	{"host-name", func() error { return syscall.Sethostname([]byte("x")) }},
	{"write-root", func() error { return os.WriteFile("/file", nil, 0o600) }},
	{"write-passwd", func() error { return first(os.OpenFile("/etc/passwd", os.O_WRONLY, 0)) }},
	{"write-artifact", func() error { return first(os.OpenFile("/.nex/in/artifact", os.O_WRONLY, 0)) }},
	{"remove-artifact", func() error { return os.Remove("/.nex/in/artifact") }},
	{"change-artifact", func() error { return os.Chmod("/.nex/in/artifact", 0o777) }},
	{"write-agent", func() error { return first(os.OpenFile("/.nex/agent", os.O_WRONLY, 0)) }},
	{"set-user-id", setUserID},

	{"write-work", func() error { return os.WriteFile("/work/file", nil, 0o600) }},
	{"write-tmp", func() error { return os.WriteFile(filepath.Join(os.TempDir(), "file"), nil, 0o600) }},
	{"write-shm", func() error { return os.WriteFile("/dev/shm/file", nil, 0o600) }},
	{"open-stdout", func() error { return first(os.OpenFile("/dev/stdout", os.O_WRONLY, 0)) }},
	{"read-passwd", func() error { return first(os.ReadFile("/etc/passwd")) }},
	{"child", func() error { return exec.Command("/proc/self/exe", "status").Run() }},
}

func first[T any](_ T, err error) error { return err }

func errno(_, _ uintptr, e syscall.Errno) error {
	if e != 0 {
		return e
	}
	return nil
}

func socket(family, kind, protocol int) error { return first(syscall.Socket(family, kind, protocol)) }

// setUserID runs a program of root's that has the bit, where there is one.
func setUserID() error {
	out, err := exec.Command("/set-user-id", "status").CombinedOutput()
	if err != nil {
		return err
	}
	own := fmt.Sprintf("Uid %[1]d %[1]d %[1]d %[1]d\n", os.Getuid())
	if strings.Contains(string(out), own) && strings.Contains(string(out), "CapEff 0000000000000000\n") {
		return fmt.Errorf("it gains nothing")
	}
	return nil
}
