// Package fake is a sandbox driver in memory, for tests of what uses drivers. It starts no process:
// a test plays the agent, in the hook OnStart or by way of the Instance.
//
//	d := &fake.Driver{OnStart: func(spec sandbox.Spec, i *fake.Instance) {
//		i.Go(func(ctx context.Context) nex.Exit { return playAgent(ctx, spec.Bootstrap) })
//	}}
package fake

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/sandbox"
)

// Driver is a scriptable driver. The zero value works: its agents hang until they are destroyed.
// The fields must not change after the first Start. It is safe for concurrent use.
type Driver struct {
	// Caps are its capabilities. The default is those of a driver "fake" of level none for this
	// machine.
	Caps sandbox.Capabilities
	// StartErr is asked by each Start whether it fails; n counts the calls from 1.
	StartErr func(n int) error
	// OnStart is called by Start with each new instance, before Start returns.
	OnStart func(sandbox.Spec, *Instance)
	// OnStage is called by Stage and may make it fail.
	OnStage func(ctx context.Context, i *Instance, p sandbox.Purpose, hostPath string) error
	// OnConfigure is called by Configure and may make it fail.
	OnConfigure func(i *Instance, s sandbox.Settings) error
	// OnDestroy is called by Destroy before anything is ended; an error is what Destroy returns, and
	// then nothing is ended. [Hang] is one.
	OnDestroy func(ctx context.Context, i *Instance) error

	mu    sync.Mutex
	calls int
	// started counts instances; live are those that were not destroyed.
	started int
	live    map[string]*Instance
}

var _ sandbox.Driver = (*Driver)(nil)

// Hang is an OnDestroy that never succeeds.
func Hang(ctx context.Context, i *Instance) error {
	<-ctx.Done()
	return fmt.Errorf("destroy sandbox %s: it hangs: %w", i.ID(), context.Cause(ctx))
}

// Capabilities returns Caps or the default.
func (d *Driver) Capabilities() sandbox.Capabilities {
	if d.Caps != (sandbox.Capabilities{}) {
		return d.Caps
	}
	return sandbox.Capabilities{
		Driver:        "fake",
		Level:         nex.SandboxNone,
		OS:            runtime.GOOS,
		Arch:          runtime.GOARCH,
		HostLibraries: true,
		HostNetwork:   true,
	}
}

// Start makes an instance.
func (d *Driver) Start(ctx context.Context, spec sandbox.Spec) (sandbox.Instance, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("start sandbox %s: %w", spec.ID, context.Cause(ctx))
	}
	i, err := d.make(spec)
	if err != nil {
		return nil, err
	}
	if d.OnStart != nil {
		d.OnStart(spec, i)
	}
	return i, nil
}

func (d *Driver) make(spec sandbox.Spec) (*Instance, error) {
	d.mu.Lock()
	d.calls++
	n := d.calls
	d.mu.Unlock()
	if d.StartErr != nil {
		if err := d.StartErr(n); err != nil {
			return nil, err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, there := d.live[spec.ID]; there || spec.ID == "" {
		return nil, fmt.Errorf("start sandbox %q: the id is empty or in use", spec.ID)
	}
	i := newInstance(d, spec)
	if d.live == nil {
		d.live = map[string]*Instance{}
	}
	d.live[spec.ID] = i
	d.started++
	return i, nil
}

// Started is how many instances were made so far.
func (d *Driver) Started() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.started
}

// Live is how many instances were not destroyed yet, be they ended or not. A test that ends with
// some has found a leak.
func (d *Driver) Live() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.live)
}

// Instance returns the live instance with the id, or nil.
func (d *Driver) Instance(id string) *Instance {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.live[id]
}

func (d *Driver) forget(i *Instance) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.live[i.id] == i {
		delete(d.live, i.id)
	}
}
