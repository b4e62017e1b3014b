//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// exhaust takes all of something, and tells what it got and why no more:
//
//	memory             in pieces, touched
//	disk DIR…          by one file in each directory
//	inodes DIR         by empty files
//	files              by open files, of different kinds
//	processes SECONDS  which then stay for the time
//	cpu SECONDS        by more threads than there are processors
func exhaust(r *report, args []string) {
	what, rest := args[0], args[1:]
	switch what {
	case "memory":
		eat()
	case "disk":
		for _, dir := range rest {
			n, err := fill(filepath.Join(dir, "large"))
			tell(r, "disk of "+dir, n, err)
		}
	case "inodes":
		tell(r, "inodes", inodes(rest[0]), nil)
	case "files":
		tell(r, "files", openMany(func() ([]int, error) { return one(unix.Open("/etc/passwd", unix.O_RDONLY, 0)) }), nil)
		tell(r, "sockets", openMany(func() ([]int, error) { return one(unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)) }), nil)
		tell(r, "pipes", openMany(func() ([]int, error) {
			p := make([]int, 2)
			return p, unix.Pipe(p)
		}), nil)
	case "processes":
		n, err := fork(seconds(rest[0]))
		tell(r, "processes", n, err)
	case "cpu":
		burn(seconds(rest[0]))
	default:
		panic(what)
	}
}

// tell says how much there was.
func tell(r *report, what string, n int, err error) {
	r.attempts++
	fmt.Printf("got: %s: %d: %v\n", what, n, err)
}

func seconds(s string) time.Duration {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		panic(err)
	}
	return time.Duration(n * float64(time.Second))
}

// eat uses ever more memory. It does not return.
func eat() {
	var eaten [][]byte
	for {
		block := make([]byte, 1<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		eaten = append(eaten, block)
		if len(eaten)%64 == 0 {
			fmt.Println("note: has", len(eaten), "MiB")
		}
	}
}

// fill writes a file that stays, in MiB.
func fill(path string) (int, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	for i := range block {
		block[i] = byte(i * 7)
	}
	for n := 0; ; n++ {
		if _, err := f.Write(block); err != nil {
			return n, err
		}
	}
}

// inodes makes empty files until there can be no more, a million at most, a thousand in each directory.
func inodes(dir string) int {
	const most, each = 1_000_000, 1000
	for n := range most {
		in := filepath.Join(dir, strconv.Itoa(n/each))
		if n%each == 0 {
			if err := os.Mkdir(in, 0o700); err != nil {
				return n
			}
		}
		fd, err := unix.Open(filepath.Join(in, strconv.Itoa(n)), unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY, 0o600)
		if err != nil {
			return n
		}
		_ = unix.Close(fd)
	}
	return most
}

// openMany opens until it cannot, a million times at most, and closes all.
func openMany(open func() ([]int, error)) int {
	var fds []int
	for len(fds) < 1_000_000 {
		opened, err := open()
		if err != nil {
			break
		}
		fds = append(fds, opened...)
	}
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
	return len(fds)
}

func one(fd int, err error) ([]int, error) { return []int{fd}, err }

// fork starts processes until it cannot; they end after the time.
func fork(d time.Duration) (int, error) {
	var running []*exec.Cmd
	defer func() {
		for _, cmd := range running {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}()
	for {
		cmd := exec.Command("/proc/self/exe", "idle")
		if err := cmd.Start(); err != nil {
			time.Sleep(d)
			return len(running), err
		}
		running = append(running, cmd)
	}
}

func burn(d time.Duration) {
	end := time.Now().Add(d)
	done := make(chan struct{})
	const threads = 16
	for range threads {
		go func() {
			for x := uint64(1); ; x = x*6364136223846793005 + 1 {
				if x%(1<<20) == 1 && time.Now().After(end) {
					break
				}
			}
			done <- struct{}{}
		}()
	}
	for range threads {
		<-done
	}
}
