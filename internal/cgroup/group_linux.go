package cgroup

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/nex-engine/nex/internal/sandbox"
)

// Group is the control group of one sandbox. A Group of a Manager that can make none holds nobody.
type Group struct {
	m     *Manager
	id    string
	parts []part

	// mu is held while a thread of ours may be in the group, and while limits are changed.
	mu     sync.Mutex
	limits sandbox.Limits
	unsure bool // the limits are what another node said, which may have been killed before they were so
	ended  bool // nothing is started in it any more
}

// part is the group in one hierarchy.
type part struct {
	*hierarchy
	dir string
}

// in is where the group has a controller's files, or false.
func (g *Group) in(controller string) (part, bool) {
	for _, p := range g.parts {
		if p.has(controller) {
			return p, true
		}
	}
	return part{}, false
}

// Set replaces the limits; 0 lifts one. OpenFiles and DiskBytes do not count. When it fails all are as
// they were: so it does if the processes of the group use more memory than they shall have.
func (g *Group) Set(l sandbox.Limits) error {
	if err := g.m.check(l); err != nil {
		return fmt.Errorf("set limits of control group %s: %w", g.id, err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		return fmt.Errorf("set limits of control group %s: %w", g.id, errEnded)
	}
	if err := g.change(g.limits, l); err != nil {
		return fmt.Errorf("set limits of control group %s: %w", g.id, err)
	}
	g.limits, g.unsure = l, false
	return nil
}

// OOMKills is how many processes of the group the kernel has killed for want of memory.
func (g *Group) OOMKills() (int, error) {
	p, ok := g.in(memory)
	if !ok {
		return 0, nil
	}
	file := "memory.oom_control"
	if p.unified {
		file = "memory.events"
	}
	counters, err := entries(filepath.Join(p.dir, file))
	if err != nil {
		return 0, fmt.Errorf("count processes killed for want of memory: %w", err)
	}
	return int(counters["oom_kill"]), nil
}

var (
	errEnded   = errors.New("the control group has been killed")
	errNothing = errors.New("a limit is negative or no number")
)

// check refuses limits that do not hold.
func (m *Manager) check(l sandbox.Limits) error {
	if l.MemoryBytes < 0 || l.PIDs < 0 || !(l.CPUs >= 0) {
		return errNothing
	}
	if 0 < l.CPUs && l.CPUs < minCPUs || l.CPUs > maxCPUs {
		return fmt.Errorf("%g processors are not between %g and %d", l.CPUs, minCPUs, maxCPUs)
	}
	for _, r := range []*sandbox.Rate{l.Bandwidth, l.IOPS} {
		if r != nil && (r.Size <= 0 || r.Refill <= 0 || r.Burst < 0) {
			return errors.New("a rate has no size or no time after which it comes back")
		}
	}
	for _, c := range []struct {
		name          string
		wanted, holds bool
	}{
		{"memory", l.MemoryBytes > 0, m.limits.Memory},
		{"processors", l.CPUs > 0, m.limits.CPUs},
		{"processes", l.PIDs > 0, m.limits.PIDs},
		{"bandwidth", l.Bandwidth != nil, m.limits.Bandwidth},
		{"operations a second", l.IOPS != nil, m.limits.IOPS},
	} {
		if c.wanted && !c.holds {
			return fmt.Errorf("a limit of %s does not hold here: %s", c.name, m.limits.Missing)
		}
	}
	return nil
}
