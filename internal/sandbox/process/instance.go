package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/cgroup"
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
	driver *Driver
	id     string
	home   home
	group  *cgroup.Group
	tree   *proctree.Tree
	output *sandboxdir.Output
	struck int           // how many processes of the group had been killed for want of memory before
	done   chan struct{} // closed by run
	exit   nex.Exit      // set before done is closed
	ending atomic.Bool   // we kill the agent

	mu      sync.Mutex // held while files are made or removed
	removed bool

	limitsMu sync.Mutex
	limits   sandbox.Limits
	record   sandboxdir.Record // as it was written last
}

// begin is the last step of making an instance: its agent runs.
func (i *instance) begin() {
	i.done = make(chan struct{})
	go i.run() // ends with the agent; Destroy waits for it
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
	_ = i.tree.Wait() // how it ended is in Exit
	i.output.End(outputDelay)
	i.exit = i.tree.Exit()
	i.exit.OOM = !ours && i.lackedMemory()
}

// lackedMemory reports whether the agent, which somebody else has killed, or of which nobody knows how it ended,
// was killed for want of memory. The group counts its other processes as well; that one of them was killed so,
// and the agent ended in another way later, is taken for the same.
func (i *instance) lackedMemory() bool {
	if i.exit.Signal != killSignal && i.exit != proctree.UnknownExit {
		return false
	}
	return i.oomKills() > i.struck
}

// oomKills is how many processes of the group were killed for want of memory.
func (i *instance) oomKills() int {
	n, err := i.group.OOMKills()
	if err != nil {
		i.driver.log.Warn("find out which processes were killed for want of memory", attrAgent, i.id, attrError, err)
	}
	return n
}

// killRest reports whether nothing of the agent's tree is left.
func (i *instance) killRest() bool {
	ctx, cancel := context.WithTimeout(context.Background(), killRound)
	defer cancel()
	err := i.kill(ctx)
	if err == nil {
		return true
	}
	i.driver.log.Warn("the agent has ended, but what it started has not", attrAgent, i.id, attrError, err)
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
	// The file itself tells whether it was staged: the node that did it may have been another.
	_, err := os.Lstat(path)
	switch {
	case err == nil:
		err = errStaged
	case errors.Is(err, fs.ErrNotExist):
		err = sandboxdir.Copy(hostPath, path+".part", path, 0o500, wanted)
	}
	if err != nil {
		return "", fmt.Errorf("stage %s: %w", hostPath, err)
	}
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
	i.driver.owned.Release(i.id)
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
		i.driver.log.Error("end agent that was started in vain", attrAgent, i.id, attrError, err)
	}
}
