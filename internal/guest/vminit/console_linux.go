package vminit

import (
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/guest"
)

// terminal is the console of the VM.
var terminal = newConsole(os.Stdout, backlog)

const (
	// backlog is how many bytes of lines wait for the console.
	backlog = 64 << 10
	// wordsTimeout bounds how long the end of the VM waits for somebody who reads the last words.
	wordsTimeout = time.Second
)

// console is what is printed on: a serial port, which takes nothing more once nobody on the host reads it. Nobody here
// waits for that: lines wait in a bounded buffer, and of those that do not fit the oldest are dropped, which the line
// guest.DroppedLine says in their place. It is safe for concurrent use.
type console struct {
	most int // bytes of waiting

	mu      sync.Mutex
	file    *os.File
	waiting []string      // lines, the oldest first
	size    int           // of these, in bytes
	dropped int           // how many lines were before them
	busy    chan struct{} // closed when all is written; nil if all is
}

func newConsole(file *os.File, most int) *console { return &console{file: file, most: most} }

// open opens the console so that nothing blocks there, not even what Go's runtime says when it fails: it becomes
// the standard output of the process, too.
func (c *console) open(path string) error {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	for standard := range 3 {
		if err := unix.Dup3(fd, standard, 0); err != nil {
			unix.Close(fd)
			return fmt.Errorf("use %s: %w", path, err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.file = os.NewFile(uintptr(fd), path)
	return nil
}

// tty is the console for who waits until it takes what it is given.
func (c *console) tty() *os.File {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.file
}

// print prints a line, and does not wait.
func (c *console) print(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = append(c.waiting, line+"\n")
	c.size += len(line) + 1
	for c.size > c.most {
		c.pop()
		c.dropped++
	}
	if c.busy == nil {
		c.busy = make(chan struct{})
		go c.write() // ends when all is written, or with the VM
	}
}

// pop takes the first line. The caller holds mu.
func (c *console) pop() string {
	line := c.waiting[0]
	c.waiting = c.waiting[1:]
	c.size -= len(line)
	return line
}

// next is what to write next; nothing when all is written.
func (c *console) next() (file *os.File, line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.dropped > 0:
		line = fmt.Sprintf("%s%d\n", guest.DroppedLine, c.dropped)
		c.dropped = 0
	case len(c.waiting) > 0:
		line = c.pop()
	default:
		close(c.busy)
		c.busy, c.waiting = nil, nil
	}
	return c.file, line
}

func (c *console) write() {
	for file, line := c.next(); line != ""; file, line = c.next() {
		_, _ = file.WriteString(line) // nobody else could be told
	}
}

// flush returns when all that was printed is with the host, or after some time.
func (c *console) flush(atMost time.Duration) {
	c.mu.Lock()
	busy, file := c.busy, c.file
	c.mu.Unlock()
	done := make(chan struct{})
	go func() { // ends with the VM if nobody reads
		defer close(done)
		if busy != nil {
			<-busy
		}
		drain(file)
	}()
	select {
	case <-done:
	case <-time.After(atMost):
	}
}

// drain returns when a serial port has sent what was written to it.
func drain(file *os.File) {
	raw, err := file.SyscallConn()
	if err != nil {
		return
	}
	// What is no serial port has sent it already.
	_ = raw.Control(func(fd uintptr) { _ = unix.IoctlSetInt(int(fd), unix.TCSBRK, 1) })
}

// say prints a sentence on the console.
func say(sentence string) { terminal.print("nex-init: " + sentence) }
