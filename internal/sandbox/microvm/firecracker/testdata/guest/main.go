// Command guest is the init of a machine in tests: it answers questions, line by line, on the port to the host.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

const port = "org.nex.guest"

func main() {
	if err := run(); err != nil {
		fmt.Println("guest:", err)
	}
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
}

func run() error {
	for _, m := range [][2]string{{"devtmpfs", "/dev"}, {"sysfs", "/sys"}, {"proc", "/proc"}} {
		if err := os.MkdirAll(m[1], 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m[0], m[1], m[0], 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m[1], err)
		}
	}
	modules, err := filepath.Glob("/modules/*")
	if err != nil {
		return err
	}
	for _, path := range modules { // in the order of their names
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil && !errors.Is(err, unix.EEXIST) {
			fmt.Println("guest:", path, err)
		}
		f.Close()
	}
	fmt.Println("guest: hello")
	for {
		if path := find(); path != "" {
			return serve(path)
		}
		unix.Nanosleep(&unix.Timespec{Nsec: 20e6}, nil)
	}
}

func find() string {
	names, _ := filepath.Glob("/sys/class/virtio-ports/*/name")
	for _, file := range names {
		if b, err := os.ReadFile(file); err == nil && strings.TrimSpace(string(b)) == port {
			return filepath.Join("/dev", filepath.Base(filepath.Dir(file)))
		}
	}
	return ""
}

var count atomic.Int64

// serve answers until it is told to end. While nobody is connected reading says so at once.
func serve(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	for {
		in := bufio.NewReader(f)
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				break
			}
			line = strings.TrimSpace(line)
			if line == "end" {
				return nil
			}
			if line == "crash" {
				_ = os.WriteFile("/proc/sysrq-trigger", []byte("c"), 0)
			}
			fmt.Fprintln(f, answer(line))
		}
		unix.Nanosleep(&unix.Timespec{Nsec: 20e6}, nil)
	}
}

func answer(question string) string {
	name, of, _ := strings.Cut(question, " ")
	switch name {
	case "count": // how often this was asked
		return fmt.Sprint(count.Add(1))
	case "file":
		b, err := os.ReadFile(of)
		if err != nil {
			return "error: " + err.Error()
		}
		return strings.TrimSpace(strings.ReplaceAll(string(b), "\n", " "))
	case "write": // to a disk
		path, text, _ := strings.Cut(of, " ")
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_SYNC, 0)
		if err != nil {
			return "error: " + err.Error()
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			return "error: " + err.Error()
		}
		return "written"
	case "head": // of a disk
		f, err := os.Open(of)
		if err != nil {
			return "error: " + err.Error()
		}
		defer f.Close()
		b := make([]byte, 8)
		if _, err := f.Read(b); err != nil {
			return "error: " + err.Error()
		}
		return string(b)
	}
	return "error: what is " + question
}
