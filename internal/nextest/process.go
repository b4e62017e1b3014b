package nextest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
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

// Process is a nex up or nex node up that a test has started.
type Process struct {
	Ready Ready
	cmd   *exec.Cmd
	log   *Buffer
	done  chan struct{}
	err   error
}

// readyTimeout bounds the wait for the ready line; the race detector makes everything slow.
const readyTimeout = 30 * time.Second

// StartReady starts a command that prints a Ready object, and waits for it. The caller stops the
// process.
func StartReady(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, log: &Buffer{}, done: make(chan struct{})}
	cmd.Stderr = p.log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line := make(chan []byte, 1)
	go func() {
		defer close(p.done)
		r := bufio.NewReader(stdout)
		first, _ := r.ReadBytes('\n')
		line <- first
		_, _ = io.Copy(io.Discard, r)
		p.err = cmd.Wait()
	}()
	select {
	case first := <-line:
		if err := json.Unmarshal(first, &p.Ready); err != nil {
			p.Kill()
			return nil, fmt.Errorf("%s printed no ready line: %q\n%s", cmd, first, p.Log())
		}
		return p, nil
	case <-time.After(readyTimeout):
		p.Kill()
		return nil, fmt.Errorf("%s was not ready within %s\n%s", cmd, readyTimeout, p.Log())
	}
}

// Log is what the process has printed to standard error so far.
func (p *Process) Log() string { return p.log.String() }

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

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

// Buffer is a buffer that may be read while it is written.
type Buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// String returns what was written.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
