package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/cgroup"
	"github.com/nex-engine/nex/internal/lines"
	"github.com/nex-engine/nex/internal/proctree"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandboxdir"
)

const (
	// outputDelay is how long output is read after the agent has ended, should somebody who could
	// not be found hold it open.
	outputDelay = 2 * time.Second
	// killRound is after how long a tree that does not end is written to the log, each time.
	killRound = 10 * time.Second
)

var (
	errEnded  = errors.New("the sandbox has ended")
	errStaged = errors.New("a file is staged for this already")
)

// instance is one agent.
type instance struct {
	id     string
	home   home
	group  *cgroup.Group
	cmd    *exec.Cmd
	tree   *proctree.Tree
	output *lines.Writer
	log    *slog.Logger
	done   chan struct{} // closed by run
	exit   nex.Exit      // set before done is closed
	ending atomic.Bool   // we kill the agent

	mu      sync.Mutex // held while files are made or removed
	staged  map[sandbox.Purpose]bool
	removed bool

	limitsMu sync.Mutex
	limits   sandbox.Limits
}

func newInstance(spec sandbox.Spec, h home, group *cgroup.Group, log *slog.Logger) *instance {
	return &instance{
		id: spec.ID, home: h, group: group, output: &lines.Writer{Log: spec.Log}, log: log,
		done: make(chan struct{}), limits: spec.Settings.Limits,
		staged: make(map[sandbox.Purpose]bool),
	}
}

func (i *instance) ID() string { return i.id }

func (i *instance) Done() <-chan struct{} { return i.done }

func (i *instance) Exit() nex.Exit {
	select {
	case <-i.done:
		return i.exit
	default:
		return nex.Exit{}
	}
}

// run sees the agent to its end, and what it leaves behind.
func (i *instance) run() {
	defer close(i.done)
	<-i.tree.Exited()
	ours := i.ending.Load()
	for !i.killRest() {
	}
	_ = i.tree.Wait() // how it ended is in the state, and the output that failed had nobody to read it
	i.output.Flush()
	i.exit = proctree.ExitOf(i.cmd.ProcessState)
	i.exit.OOM = !ours && i.struck()
}

// struck reports whether the agent, which somebody else has killed, was killed for want of memory. The
// group counts its other processes as well; that one of them was killed so, and the agent in another way
// later, is taken for the same.
func (i *instance) struck() bool {
	if i.exit.Signal != killSignal {
		return false
	}
	n, err := i.group.OOMKills()
	if err != nil {
		i.log.Warn("find out why the agent was killed", attrAgent, i.id, attrError, err)
	}
	return n > 0
}

// killRest reports whether nothing of the agent's tree is left.
func (i *instance) killRest() bool {
	ctx, cancel := context.WithTimeout(context.Background(), killRound)
	defer cancel()
	err := i.kill(ctx)
	if err == nil {
		return true
	}
	i.log.Warn("the agent has ended, but what it started has not", attrAgent, i.id, attrError, err)
	<-ctx.Done() // an error of another kind comes at once, and would again
	return false
}

// kill ends every process of the sandbox, first those that are found by their relation to the agent, as
// long as it is there to be related to: they need not be in its group any more. Who is in the group is
// ended whatever else it did.
func (i *instance) kill(ctx context.Context) error {
	err := i.tree.Kill(ctx)
	return errors.Join(err, i.group.Kill(ctx))
}

// Stage implements [sandbox.Instance]. The copy is for a program that its user can read and run: the workload
// runs as our user.
func (i *instance) Stage(ctx context.Context, p sandbox.Purpose, hostPath string) (string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	wanted := func() error {
		select {
		case <-i.done:
			return errEnded
		case <-ctx.Done():
			return context.Cause(ctx)
		default:
			return nil
		}
	}
	path := i.home.staged(p)
	err := errStaged
	if !i.staged[p] {
		err = sandboxdir.Copy(hostPath, path+".part", path, 0o500, wanted)
	}
	if err != nil {
		return "", fmt.Errorf("stage %s: %w", hostPath, err)
	}
	i.staged[p] = true
	return path, nil
}

func (i *instance) Destroy(ctx context.Context) error {
	if err := i.end(ctx); err != nil {
		return fmt.Errorf("destroy sandbox %s: %w", i.id, err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.removed {
		return nil
	}
	if err := i.group.Remove(ctx); err != nil {
		return fmt.Errorf("destroy sandbox %s: %w", i.id, err)
	}
	if err := sandboxdir.Remove(string(i.home)); err != nil {
		return fmt.Errorf("destroy sandbox %s: %w", i.id, err)
	}
	i.removed = true
	return nil
}

// end returns when every process of the sandbox has ended.
func (i *instance) end(ctx context.Context) error {
	select {
	case <-i.done:
		return nil
	default:
	}
	i.ending.Store(true)
	if err := i.kill(ctx); err != nil {
		return err
	}
	select {
	case <-i.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the agent's output is still being read, and %s is left: %w", i.home, context.Cause(ctx))
	}
}

// discard ends an instance that was never handed out; its directory is removed by who made it.
func (i *instance) discard(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, killRound)
	defer cancel()
	if err := i.end(ctx); err != nil {
		i.log.Error("end agent that was started in vain", attrAgent, i.id, attrError, err)
	}
}
