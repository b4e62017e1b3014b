package nextest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Ready is the object that nex up --json and nex node up --json print when they are ready.
type Ready struct {
	NATSURL     string `json:"nats_url"`
	ControlURL  string `json:"control_url"`
	ControlNKey string `json:"control_nkey"`
	NodeID      string `json:"node_id"`
	Sandbox     string `json:"sandbox"`
	DataDir     string `json:"data_dir"`
	PID         int    `json:"pid"`
}

// Process is a program that a test has started.
type Process struct {
	Ready Ready // of StartReady
	cmd   *exec.Cmd
	out   *Buffer
	log   *Buffer
	done  chan struct{}
	err   error
}

const (
	// readyTimeout bounds the wait for the ready line, and for the end; the race detector makes
	// everything slow, and so does emulation a node that first starts virtual machines.
	readyTimeout = 90 * time.Second
	// outputDelay is how long somebody whom the process has left behind may hold its output open.
	outputDelay = 5 * time.Second
)

// Start starts a command and collects what it prints. The caller stops the process.
func Start(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, out: newBuffer(), log: newBuffer(), done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = p.out, p.log, outputDelay
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.done)
		p.err = cmd.Wait()
	}()
	return p, nil
}

// StartReady starts a command that prints a Ready object, and waits for it. The caller stops the
// process.
func StartReady(cmd *exec.Cmd) (*Process, error) {
	p, err := Start(cmd)
	if err != nil {
		return nil, err
	}
	if err := p.AwaitReady(); err != nil {
		return nil, err
	}
	return p, nil
}

// AwaitReady waits for the Ready object that the process prints first. A process that does not print
// one has ended when it returns.
func (p *Process) AwaitReady() error {
	timer := time.NewTimer(readyTimeout)
	defer timer.Stop()
	select {
	case <-p.out.line:
	case <-p.done:
	case <-timer.C:
	}
	first, _, _ := bytes.Cut([]byte(p.Output()), []byte("\n"))
	if err := json.Unmarshal(first, &p.Ready); err != nil {
		p.Kill()
		return fmt.Errorf("%s printed no ready line: %q\n%s", p.cmd, first, p.Log())
	}
	return nil
}

// Output is what the process has printed to standard output so far.
func (p *Process) Output() string { return p.out.String() }

// Log is what the process has printed to standard error so far.
func (p *Process) Log() string { return p.log.String() }

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Stop asks the process to end, and returns how it did.
func (p *Process) Stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	select {
	case <-p.done:
		return p.err
	case <-time.After(readyTimeout):
		p.Kill()
		return fmt.Errorf("%s did not end within %s of SIGTERM\n%s", p.cmd, readyTimeout, p.Log())
	}
}

// Kill ends the process as kill -9 does.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.done
}

// Buffer is a buffer that may be read while it is written. The zero value is one.
type Buffer struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	line chan struct{} // if any, closed when there is a line
}

func newBuffer() *Buffer { return &Buffer{line: make(chan struct{})} }

// Write implements io.Writer.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, err := b.buf.Write(p)
	if b.line != nil && bytes.ContainsRune(p, '\n') {
		select {
		case <-b.line:
		default:
			close(b.line)
		}
	}
	return n, err
}

// String returns what was written.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
