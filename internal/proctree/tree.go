package proctree

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"

	nex "github.com/nex-engine/nex"
)

// Tree is a started program and all that it starts. It is safe for concurrent use.
type Tree struct {
	cmd     *exec.Cmd // nil: it was adopted
	root    Identity
	options options
	exited  chan struct{}
	wait    func() error // runs once

	mu     sync.Mutex
	reaped bool // the root's pid may belong to somebody else
	exit   nex.Exit
	holder
}

type options struct {
	outlive bool
	marker  []string // NAME=value: none, or one
	start   func(*exec.Cmd) error
}

// An Option varies Start.
type Option func(*options)

// Outlive lets the root go on when the calling process dies. On windows it has no effect: there a
// tree always ends with the process that started it.
func Outlive() Option { return func(o *options) { o.outlive = true } }

// Marked makes Kill end processes as well whose environment, as it was when their program was
// started, holds the variable with that value. The caller puts it into cmd.Env. Choose a value that
// is unique on the machine. It has no effect on windows.
func Marked(name, value string) Option {
	return func(o *options) { o.marker = []string{marker(name, value)} }
}

func marker(name, value string) string { return name + "=" + value }

// Start starts cmd as the root of a tree: the leader of a new session and process group, killed by
// the kernel when the calling process dies (linux; not with [Outlive]), with no open files but
// standard input, output, error and cmd.ExtraFiles. As a side effect every other open file of the
// calling process is marked close-on-exec.
//
// The cmd must not come from exec.CommandContext, whose kill ends the root alone. After Start only
// the Tree's methods may be used to signal it and to wait for it. The caller must call Wait.
func Start(cmd *exec.Cmd, opts ...Option) (*Tree, error) {
	t := &Tree{cmd: cmd, exited: make(chan struct{}), options: options{start: (*exec.Cmd).Start}}
	for _, o := range opts {
		o(&t.options)
	}
	t.wait = sync.OnceValue(t.reap)
	started := make(chan error)
	go OffFirstThread(func() { t.run(started) })
	if err := <-started; err != nil {
		<-t.exited
		return nil, err
	}
	return t, nil
}

// run starts the root and stays with it until it has ended. It has its thread for itself because
// linux means a thread when it says that a child shall die with its parent.
func (t *Tree) run(started chan<- error) {
	defer close(t.exited)
	err := t.launch()
	started <- err
	if err == nil {
		t.attend()
	}
}

// launch starts the root and finds out who it is; when it fails nothing runs.
func (t *Tree) launch() error {
	t.setAttributes()
	closeOnExec()
	if err := t.options.start(t.cmd); err != nil {
		return err
	}
	err := t.hold()
	if err == nil {
		t.root, err = Identify(t.cmd.Process.Pid)
	}
	if err != nil {
		return errors.Join(
			fmt.Errorf("watch process %d: %w", t.cmd.Process.Pid, err),
			t.abandon())
	}
	return nil
}

// abandon ends a root that has only just been started.
func (t *Tree) abandon() error {
	err := t.cmd.Process.Kill()
	_ = t.cmd.Wait() // it says that it was killed
	t.release()
	return err
}

// Root is the identity of the tree's first process.
func (t *Tree) Root() Identity { return t.root }

// PID is the process id of the tree's first process.
func (t *Tree) PID() int { return t.root.PID }

// Exited is closed when the root has ended. Other processes of the tree may still run.
func (t *Tree) Exited() <-chan struct{} { return t.exited }

// Wait waits for the root to end, and for the copying of its input and output, as [exec.Cmd.Wait]
// does and with its errors. It may be called any number of times and says the same each time. A
// process of the tree that outlives the root and holds its output open keeps Wait waiting: call
// Kill first, or set cmd.WaitDelay.
func (t *Tree) Wait() error { return t.wait() }

func (t *Tree) reap() error {
	<-t.exited
	t.mu.Lock()
	t.reaped = true
	t.mu.Unlock()
	err := t.cmd.Wait()
	t.mu.Lock()
	t.exit = ExitOf(t.cmd.ProcessState)
	t.mu.Unlock()
	return err
}

// Exit is how the root has ended, once Wait has returned; [UnknownExit] if nobody knows.
func (t *Tree) Exit() nex.Exit {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.exit
}

// Signal sends a signal to the root's process group: on unix also when the root itself has ended,
// until Wait is called. On windows os.Kill ends the whole tree and every other signal is a console
// break event. It returns [os.ErrProcessDone] when there is nobody to send it to.
func (t *Tree) Signal(sig os.Signal) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.reaped {
		return os.ErrProcessDone
	}
	return t.signal(sig)
}

// Kill ends every process of the tree by force. It returns nil when none is left, also when there
// was none to begin with; a root that has ended but was not waited for counts as gone. Whatever
// state ctx is in, every process that is found gets its signal at least once; if ctx ends before
// they are all gone the error names those that are left. Kill may be called again, and by many.
func (t *Tree) Kill(ctx context.Context) error { return t.kill(ctx) }
