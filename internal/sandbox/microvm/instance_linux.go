package microvm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/cgroup"
	"github.com/nex-engine/nex/internal/guest"
	"github.com/nex-engine/nex/internal/proctree"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
	"github.com/nex-engine/nex/internal/sandboxdir"
	"github.com/nex-engine/nex/internal/sandboxnet"
)

const (
	// powerOffPatience is how long a machine may take to power off once its agent has ended.
	powerOffPatience = 5 * time.Second
	// killRound is after how long a group that does not end is written to the log, each time.
	killRound = 10 * time.Second
	// outputDelay is how long output is read after the machine has ended, should anybody hold it open.
	outputDelay = 2 * time.Second
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
	machine  vmm.Machine
	linkDir  string
	endpoint sandboxnet.Endpoint // nil: no network
	// namespace is where the process is started; empty: one with nothing in it.
	namespace string
	group     *cgroup.Group
	cmd       *exec.Cmd // nil: it was adopted
	process   proctree.Identity
	console   *console
	output    *sandboxdir.Output
	complain  complaints
	talk      talk

	life context.Context // ends with the process
	end  context.CancelFunc
	gone chan struct{} // closed by watch
	how  nex.Exit      // how the process ended, set before gone is closed

	done chan struct{} // closed by run
	exit nex.Exit      // set before done is closed

	changing sync.Mutex // held while settings or files are changed
	handle   handle     // with the settings
	staged   map[sandbox.Purpose]bool
	removed  bool

	mu     sync.Mutex
	told   *nex.Exit   // how the agent ended, as the init says
	late   *time.Timer // kills a machine that does not power off
	failed error       // why the machine does not run
	killed bool
}

func newInstance(d *Driver, at home, h handle) *instance {
	i := &instance{
		driver: d, id: at.id(), home: at, handle: h, machine: h.Machine, linkDir: h.LinkDir,
		gone: make(chan struct{}), done: make(chan struct{}), staged: make(map[sandbox.Purpose]bool),
		talk: talk{another: make(chan struct{}), kept: make(chan struct{})},
	}
	i.life, i.end = context.WithCancel(context.Background())
	return i
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

// listen is the console whose lines are given to log.
func (i *instance) listen(log func(line string)) *console {
	return &console{
		agent: log, ended: i.agentEnded,
		other: func(line string) {
			i.driver.log.Debug("the console of a machine", attrAgent, i.id, "line", line)
		},
	}
}

// agentEnded is told by the init, by the session, the console or both, how the agent ended. It then powers off.
func (i *instance) agentEnded(e guest.Exit) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.told == nil {
		i.told = &nex.Exit{Code: e.Code, Signal: e.Signal, OOM: e.OOM}
		i.late = time.AfterFunc(powerOffPatience, i.kill)
	}
}

// watch sees the process to its end. If await is not to wait any more it returns false.
func (i *instance) watch(await func() (nex.Exit, bool)) {
	defer close(i.gone)
	defer i.end()
	if exit, ended := await(); ended {
		i.how = exit
	}
}

// awaitChild waits for a process that this one has started.
func (i *instance) awaitChild() (nex.Exit, bool) {
	_ = i.cmd.Wait() // how it ended is in the state
	return proctree.ExitOf(i.cmd.ProcessState), true
}

// run sees the sandbox to its end, and what that leaves behind.
func (i *instance) run() {
	defer close(i.done)
	<-i.gone
	<-i.talk.kept
	for !i.killRest() {
	}
	i.output.End(outputDelay)
	i.complain.output.End(outputDelay)
	i.exit = i.howEnded()
}

// howEnded says how the agent ended: as the init has said, or with the machine.
func (i *instance) howEnded() nex.Exit {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.late != nil {
		i.late.Stop()
	}
	if i.told != nil {
		return *i.told
	}
	exit := nex.Exit{Code: -1, Signal: i.how.Signal}
	kills, err := i.group.OOMKills()
	i.driver.logged(i.id, "find out whether the machine had too little memory", err)
	exit.OOM = kills > 0
	if !i.killed {
		i.driver.log.Error("the machine of the sandbox has ended before its agent",
			attrAgent, i.id, attrError, i.complaint(), "console", i.console.lastWords())
	}
	return exit
}

// complaint is what the VMM has to say, empty if it has nothing. It is complete once the output has ended.
func (i *instance) complaint() string { return i.driver.vmm.Complaint(i.complain.text()) }

// killRest reports whether nothing of the sandbox runs, after its process has ended.
func (i *instance) killRest() bool {
	ctx, cancel := context.WithTimeout(context.Background(), killRound)
	defer cancel()
	err := i.group.Kill(ctx)
	if err == nil {
		return true
	}
	i.driver.log.Warn("the machine has ended, but not all of its group", attrAgent, i.id, attrError, err)
	<-ctx.Done() // an error of another kind comes at once, and would again
	return false
}

// kill kills the machine.
func (i *instance) kill() {
	i.mu.Lock()
	i.killed = true
	i.mu.Unlock()
	if i.cmd != nil {
		_ = i.cmd.Process.Kill() // if it has ended all is well
		return
	}
	p, err := os.FindProcess(i.process.PID)
	if err != nil {
		return
	}
	defer p.Release()
	if i.process.Running() { // p means the same one now
		_ = p.Kill()
	}
}

// stop returns when no process of the sandbox is left.
func (i *instance) stop(ctx context.Context) error {
	if i.ended() {
		return nil
	}
	i.kill()
	select {
	case <-i.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("its machine has not ended, and %s is left: %w", i.home, context.Cause(ctx))
	}
}

// discard ends an instance that was never handed out; what it has is removed by who made it.
func (i *instance) discard(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), killRound)
	defer cancel()
	i.driver.logged(i.id, "end machine that was started in vain", i.stop(ctx))
}

// Destroy implements [sandbox.Instance].
func (i *instance) Destroy(ctx context.Context) error {
	err := i.stop(ctx)
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
