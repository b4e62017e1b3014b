package gvisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/cgroup"
	"github.com/nex-engine/nex/internal/proctree"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandboxdir"
	"github.com/nex-engine/nex/internal/sandboxnet"
)

const (
	// killPatience is how long runsc may take to clean up after the kernel was killed, before it is killed
	// as well.
	killPatience = 5 * time.Second
	// killRound is after how long processes that do not end are written to the log, each time.
	killRound = 10 * time.Second
)

var (
	errEnded  = errors.New("the sandbox has ended")
	errStaged = errors.New("a file is staged for this already")
)

// instance is one sandbox.
type instance struct {
	driver   *Driver
	id       string
	home     home
	endpoint sandboxnet.Endpoint // nil: no network
	group    *cgroup.Group
	cmd      *exec.Cmd // nil: it was adopted
	runsc    proctree.Identity
	await    func() nex.Exit // returns when runsc has ended, and how
	output   *sandboxdir.Output
	done     chan struct{} // closed by run
	exit     nex.Exit      // set before done is closed

	changing sync.Mutex // held while settings or files are changed
	handle   handle     // with the settings
	staged   map[sandbox.Purpose]bool
	removed  bool

	mu     sync.Mutex
	kernel proctree.Identity // once it is known
}

func newInstance(d *Driver, at home, h handle) *instance {
	return &instance{
		driver: d, id: at.id(), home: at, handle: h, done: make(chan struct{}), staged: make(map[sandbox.Purpose]bool),
	}
}

func (i *instance) ID() string { return i.id }

func (i *instance) Done() <-chan struct{} { return i.done }

func (i *instance) Exit() nex.Exit {
	if i.ended() {
		return i.exit
	}
	return nex.Exit{}
}

func (i *instance) ended() bool {
	select {
	case <-i.done:
		return true
	default:
		return false
	}
}

// run sees the sandbox to its end, and what that leaves behind.
func (i *instance) run() {
	defer close(i.done)
	exit := i.await()
	for !i.killRest() {
	}
	i.output.End(outputDelay)
	i.exit = i.howEnded(exit)
	if words := i.home.lastWords(); words != "" {
		i.driver.log.Error("the kernel of the sandbox crashed", attrAgent, i.id, attrError, words)
	}
}

// awaitChild is await for a runsc that this process has started.
func (i *instance) awaitChild() nex.Exit {
	_ = i.cmd.Wait() // how it ended is in the state
	return proctree.ExitOf(i.cmd.ProcessState)
}

// howEnded says how the agent ended: runsc ends as it did, by a signal with a status from 128.
func (i *instance) howEnded(exit nex.Exit) nex.Exit {
	if name := unix.SignalName(syscall.Signal(exit.Code - 128)); exit.Code > 128 && name != "" {
		exit = nex.Exit{Code: -1, Signal: name}
	}
	if !exit.Success() {
		kills, err := i.group.OOMKills()
		i.driver.logged(i.id, "find out whether the sandbox had too little memory", err)
		exit.OOM = kills > 0
	}
	return exit
}

// killRest reports whether nothing of the sandbox runs, after runsc has ended.
func (i *instance) killRest() bool {
	ctx, cancel := context.WithTimeout(context.Background(), killRound)
	defer cancel()
	err := i.killAll(ctx)
	if err == nil {
		return true
	}
	i.driver.log.Warn("runsc has ended, but the sandbox has not", attrAgent, i.id, attrError, err)
	<-ctx.Done() // an error of another kind comes at once, and would again
	return false
}

// killAll kills every process of the sandbox. Where there are no control groups theirs holds nobody.
func (i *instance) killAll(ctx context.Context) error {
	err := i.group.Kill(ctx)
	kernel := i.identity()
	if kernel.PID == 0 || kernel.Running() {
		err = errors.Join(err, proctree.Kill(ctx,
			proctree.Scope{Root: kernel},
			proctree.Scope{Root: i.runsc, MarkerName: AgentIDVariable, MarkerValue: i.id}))
	}
	return err
}

func (i *instance) identity() proctree.Identity {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.kernel
}

// killKernel kills the kernel, and all inside with it; runsc then cleans up and ends. If it is not known
// which process that is, runsc is killed, and the kernel by it.
func (i *instance) killKernel() {
	kernel := i.identity()
	if kernel.PID == 0 {
		i.killRunsc()
		return
	}
	kill(kernel)
}

func (i *instance) killRunsc() {
	if i.cmd == nil {
		kill(i.runsc)
		return
	}
	_ = i.cmd.Process.Kill() // if it has ended all is well
}

// kill kills a process that need not be a child.
func kill(id proctree.Identity) {
	p, err := os.FindProcess(id.PID)
	if err != nil {
		return
	}
	defer p.Release()
	if id.Running() { // p means the same one now
		_ = p.Kill()
	}
}

// end returns when no process of the sandbox is left.
func (i *instance) end(ctx context.Context) error {
	if i.ended() {
		return nil
	}
	i.killKernel()
	timer := time.NewTimer(killPatience)
	defer timer.Stop()
	select {
	case <-i.done:
		return nil
	case <-timer.C:
	case <-ctx.Done():
	}
	i.killRunsc()
	if err := i.killAll(ctx); err != nil {
		return err
	}
	select {
	case <-i.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("runsc has not ended, and %s is left: %w", i.home, context.Cause(ctx))
	}
}

// discard ends an instance that was never handed out; what it has is removed by who made it.
func (i *instance) discard(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), killRound)
	defer cancel()
	i.driver.logged(i.id, "end sandbox that was started in vain", i.end(ctx))
}

// Destroy implements [sandbox.Instance].
func (i *instance) Destroy(ctx context.Context) error {
	err := i.end(ctx)
	if err == nil {
		err = i.remove(ctx)
	}
	if err != nil {
		return fmt.Errorf("destroy sandbox %s: %w", i.id, err)
	}
	return nil
}

// remove removes what was made for the sandbox, in which nothing runs any more.
func (i *instance) remove(ctx context.Context) error {
	i.changing.Lock()
	defer i.changing.Unlock()
	if i.removed {
		return nil
	}
	err := i.group.Remove(ctx)
	if i.endpoint != nil {
		err = errors.Join(err, i.endpoint.Close())
	}
	if err = errors.Join(err, sandboxdir.Remove(string(i.home))); err != nil {
		return err
	}
	i.removed = true
	i.driver.owned.Release(i.id)
	return nil
}
