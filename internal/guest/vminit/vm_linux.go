package vminit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/nex-engine/nex/internal/guest"
)

// vm is what the node asks things of. It implements [guest.VM].
type vm struct {
	agent  *agent
	group  *group
	staged *staging
	nodes  *nodes

	mu     sync.Mutex
	asked  bool // to boot
	state  guest.State
	limits guest.Limits
}

// newVM starts the agent. The calling thread is locked.
func newVM(image bool) (*vm, error) {
	network, err := hasNetwork()
	if err != nil {
		return nil, err
	}
	dir, user, groups, dev := homeDir, guest.AgentUser, groupRoot, "/dev"
	switch {
	case image:
		dir, user, groups, dev = "/", guest.ImageAgentUser, ownGroups, ownDev
	case network:
		dir = workDir
	}
	g, err := newGroup(groups)
	if err != nil {
		return nil, err
	}
	a, err := startAgent(g, dir, uint32(user), network)
	if err != nil {
		return nil, err
	}
	s, err := newStaging(guest.StagedDir)
	if err != nil {
		return nil, err
	}
	v := &vm{agent: a, group: g, staged: s}
	v.nodes = &nodes{vm: v, dev: dev}
	if err := v.nodes.listenLinks(guest.LinkDir, user); err != nil {
		return nil, err
	}
	return v, nil
}

// endedTimeout bounds how long the node may take to hear of the end.
const endedTimeout = time.Second

// run returns when the agent has ended, and the node knows, if it is there.
func (v *vm) run() (guest.Exit, error) {
	defer v.agent.end()
	exit, err := v.agent.wait()
	if err != nil {
		return guest.Exit{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), endedTimeout)
	defer cancel()
	v.nodes.ended(ctx, exit) // a node that is not there finds the line on the console
	return exit, nil
}

// Boot implements [guest.VM].
func (v *vm) Boot(b guest.Boot) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.asked {
		return fmt.Errorf("the VM was booted before, for sandbox %s", v.state.ID)
	}
	v.asked = true
	v.state.ID = b.ID
	if err := identify(b); err != nil {
		return err
	}
	if err := v.group.set(b.Limits); err != nil {
		return err
	}
	if n := b.Limits.OpenFiles; n > 0 {
		if err := v.agent.limitFiles(n); err != nil {
			return fmt.Errorf("limit open files to %d: %w", n, err)
		}
	}
	v.limits = b.Limits
	if err := v.agent.give(b.Bootstrap); err != nil {
		return fmt.Errorf("give the agent its bootstrap document: %w", err)
	}
	v.state.Booted = true
	return nil
}

// State implements [guest.VM].
func (v *vm) State() guest.State {
	v.mu.Lock()
	s := v.state
	v.mu.Unlock()
	s.Staged = v.staged.names()
	return s
}

// Stage implements [guest.VM].
func (v *vm) Stage(name string, size int64, r io.Reader) (string, error) {
	return v.staged.put(name, size, r)
}

// Configure implements [guest.VM].
func (v *vm) Configure(l guest.Limits) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case !v.state.Booted:
		return errors.New("the VM has not been booted")
	case l.OpenFiles != v.limits.OpenFiles:
		return errors.New("the limit of open files cannot be changed once the VM was booted")
	}
	if err := v.group.set(l); err != nil {
		return err
	}
	v.limits = l
	return nil
}
