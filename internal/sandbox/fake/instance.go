package fake

import (
	"context"
	"errors"
	"fmt"
	"sync"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/sandbox"
)

// Killed is how an agent ends that Destroy has to end.
var Killed = nex.Exit{Code: -1, Signal: "SIGKILL"}

// Instance is a sandbox without anything in it. It is safe for concurrent use.
type Instance struct {
	driver *Driver
	id     string
	ctx    context.Context // ends with the instance: it is what the agent of Go lives in
	cancel context.CancelFunc
	agents sync.WaitGroup
	done   chan struct{}

	mu     sync.Mutex
	ended  bool
	exit   nex.Exit
	staged map[sandbox.Purpose]string
	// settings are the last ones of Configure, or those of the Spec.
	settings sandbox.Settings
}

var _ sandbox.Instance = (*Instance)(nil)

func newInstance(d *Driver, spec sandbox.Spec) *Instance {
	i := &Instance{driver: d, id: spec.ID, settings: spec.Settings, done: make(chan struct{}), staged: make(map[sandbox.Purpose]string)}
	i.ctx, i.cancel = context.WithCancel(context.Background())
	return i
}

// Settings are those of the Spec, or of the last Configure.
func (i *Instance) Settings() sandbox.Settings {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.settings
}

// Configure remembers the settings.
func (i *Instance) Configure(ctx context.Context, s sandbox.Settings) error {
	if ctx.Err() != nil {
		return fmt.Errorf("configure sandbox %s: %w", i.id, context.Cause(ctx))
	}
	if i.driver.OnConfigure != nil {
		if err := i.driver.OnConfigure(i, s); err != nil {
			return err
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.ended {
		return fmt.Errorf("configure sandbox %s: it has ended", i.id)
	}
	i.settings = s
	return nil
}

// Go plays the agent in a goroutine: the instance ends when agent returns, in the way it returns.
// The ctx of agent ends when the instance is destroyed or ended otherwise; Destroy waits for agent
// to return. Call it in OnStart.
func (i *Instance) Go(agent func(ctx context.Context) nex.Exit) {
	i.agents.Go(func() { i.End(agent(i.ctx)) })
}

// End ends the agent. Only the first end counts.
func (i *Instance) End(exit nex.Exit) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.ended {
		return
	}
	i.ended, i.exit = true, exit
	i.cancel()
	close(i.done)
}

func (i *Instance) hasEnded() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.ended
}

// ID is the id from the Spec.
func (i *Instance) ID() string { return i.id }

// Done is closed when the agent has ended.
func (i *Instance) Done() <-chan struct{} { return i.done }

// Exit is how the agent ended; the zero value until then.
func (i *Instance) Exit() nex.Exit {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.exit
}

// Stage makes no copy: it returns hostPath.
func (i *Instance) Stage(ctx context.Context, p sandbox.Purpose, hostPath string) (string, error) {
	if ctx.Err() != nil {
		return "", fmt.Errorf("stage %s: %w", hostPath, context.Cause(ctx))
	}
	if i.driver.OnStage != nil {
		if err := i.driver.OnStage(ctx, i, p, hostPath); err != nil {
			return "", err
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case i.ended:
		return "", fmt.Errorf("stage %s: %w", hostPath, errors.New("the sandbox has ended"))
	case i.staged[p] != "":
		return "", fmt.Errorf("stage %s: %w", hostPath, errors.New("a file is staged for this already"))
	}
	i.staged[p] = hostPath
	return hostPath, nil
}

// Staged is the path that was staged for a purpose, or empty.
func (i *Instance) Staged(p sandbox.Purpose) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.staged[p]
}

// Destroy ends the agent as killed and waits for the one that Go plays.
func (i *Instance) Destroy(ctx context.Context) error {
	if i.driver.OnDestroy != nil {
		if err := i.driver.OnDestroy(ctx, i); err != nil {
			return err
		}
	}
	i.End(Killed)
	if err := i.wait(ctx); err != nil {
		return err
	}
	i.driver.forget(i)
	return nil
}

// wait waits for the agents that Go plays. One that does not heed its ctx outlives a ctx that ends.
func (i *Instance) wait(ctx context.Context) error {
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		i.agents.Wait()
	}()
	select {
	case <-returned:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("destroy sandbox %s: its agent has not returned: %w", i.id, context.Cause(ctx))
	}
}
