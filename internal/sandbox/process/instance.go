package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"sync"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/proctree"
	"github.com/nex-engine/nex/internal/sandbox"
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
	errStaged = errors.New("a file is staged already")
)

// instance is one agent.
type instance struct {
	id     string
	home   home
	cmd    *exec.Cmd
	tree   *proctree.Tree
	output *lines
	log    *slog.Logger
	done   chan struct{} // closed by run
	exit   nex.Exit      // set before done is closed

	mu      sync.Mutex // held while files are made or removed
	staged  bool
	removed bool
}

func newInstance(spec sandbox.Spec, h home, log *slog.Logger) *instance {
	return &instance{id: spec.ID, home: h, output: &lines{log: spec.Log}, log: log, done: make(chan struct{})}
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
	for !i.killRest() {
	}
	_ = i.tree.Wait() // how it ended is in the state, and the output that failed had nobody to read it
	i.output.flush()
	i.exit = proctree.ExitOf(i.cmd.ProcessState)
}

// killRest reports whether nothing of the agent's tree is left.
func (i *instance) killRest() bool {
	ctx, cancel := context.WithTimeout(context.Background(), killRound)
	defer cancel()
	err := i.tree.Kill(ctx)
	if err == nil {
		return true
	}
	i.log.Warn("the agent has ended, but what it started has not", attrAgent, i.id, attrError, err)
	<-ctx.Done() // an error of another kind comes at once, and would again
	return false
}

func (i *instance) Stage(ctx context.Context, hostPath string) (string, error) {
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
	err := errStaged
	if !i.staged {
		err = copyArtifact(hostPath, i.home.artifact(), wanted)
	}
	if err != nil {
		return "", fmt.Errorf("stage %s: %w", hostPath, err)
	}
	i.staged = true
	return i.home.artifact(), nil
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
	if err := i.home.remove(); err != nil {
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
	if err := i.tree.Kill(ctx); err != nil {
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

// Configure checks nothing yet: the limits of a process are those of its control group.
func (i *instance) Configure(context.Context, sandbox.Settings) error { return nil }
