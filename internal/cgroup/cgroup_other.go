//go:build !linux

package cgroup

import (
	"context"
	"fmt"
	"os/exec"

	"github.com/nex-engine/nex/internal/sandbox"
)

// Manager makes no control groups here.
type Manager struct{}

// Open checks the Config.
func Open(c Config) (*Manager, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	return &Manager{}, nil
}

// Limits says that nothing is bounded.
func (*Manager) Limits() sandbox.LimitSet {
	return sandbox.LimitSet{Missing: "control groups are there on linux alone"}
}

// Create makes a group that holds nobody, and refuses limits.
func (m *Manager) Create(id string, l sandbox.Limits) (*Group, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	g := &Group{}
	return g, g.Set(l)
}

// Adopt returns a group that holds nobody.
func (m *Manager) Adopt(id string, _ sandbox.Limits) (*Group, error) {
	return m.Create(id, sandbox.Limits{})
}

// Sweep finds nothing.
func (*Manager) Sweep(context.Context) (int, error) { return 0, nil }

// Close does nothing.
func (*Manager) Close() error { return nil }

// Leave does nothing.
func (*Manager) Leave() error { return nil }

// Group holds nobody.
type Group struct{}

// Abandon does nothing.
func (*Group) Abandon() {}

// Start starts the command.
func (*Group) Start(cmd *exec.Cmd) error { return cmd.Start() }

// Set refuses limits.
func (*Group) Set(l sandbox.Limits) error {
	if l.MemoryBytes != 0 || l.CPUs != 0 || l.PIDs != 0 || l.Bandwidth != nil || l.IOPS != nil {
		return fmt.Errorf("set limits: %s", (*Manager)(nil).Limits().Missing)
	}
	return nil
}

// OOMKills is 0.
func (*Group) OOMKills() (int, error) { return 0, nil }

// Kill ends nobody.
func (*Group) Kill(context.Context) error { return nil }

// Remove does nothing.
func (*Group) Remove(context.Context) error { return nil }
