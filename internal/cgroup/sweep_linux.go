package cgroup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Sweep kills and removes the groups that an earlier Manager with the same Prefix has left, wherever it
// was started, and that were not adopted, and nothing else; it returns how many there were. It goes on with the others when it
// fails at one, and the error then tells of each.
func (m *Manager) Sweep(ctx context.Context) (int, error) {
	if m == nil || len(m.trees) == 0 {
		return 0, nil
	}
	var failed []error
	left, parents, err := m.leftovers(m.owns)
	if err != nil {
		failed = append(failed, fmt.Errorf("look for left control groups: %w", err))
	}
	swept := 0
	for _, g := range left {
		if err := g.sweep(ctx); err != nil {
			failed = append(failed, err)
			continue
		}
		swept++
	}
	for _, dir := range parents {
		if m.adoptedIn(dir) {
			continue
		}
		// One that another process has just made use of is not left.
		if err := m.files.rmdir(dir); err != nil && gone(err) != nil && len(failed) == 0 {
			failed = append(failed, fmt.Errorf("remove left control group %s: %w", dir, err))
		}
	}
	return swept, errors.Join(failed...)
}

// adoptedIn reports whether an adopted group was found in the group of an earlier node.
func (m *Manager) adoptedIn(parent string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Contains(m.others, parent)
}

// sweepTimeout is how long one group may take: one that cannot be ended must not use up the time for the others.
const sweepTimeout = 5 * time.Second

func (g *Group) sweep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	if err := g.Kill(ctx); err != nil {
		return err
	}
	return g.Remove(ctx)
}

// owns reports whether a group is one that this Manager has made or adopted.
func (m *Manager) owns(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.groups[id]
}

// leftovers finds the groups with our prefix but for those to leave out, and the groups of nodes
// that they were in, as far as these are not its own. With an error it returns what it has found.
func (m *Manager) leftovers(without func(id string) bool) (left []*Group, parents []string, err error) {
	var failed []error
	byID := map[string]*Group{}
	for _, h := range m.trees {
		_ = filepath.WalkDir(h.top, func(path string, e fs.DirEntry, err error) error {
			if err != nil { // the others are still to be found
				failed = append(failed, gone(err))
				return nil
			}
			if !e.IsDir() {
				return nil
			}
			if m.isAside(path) {
				parents = append(parents, path)
				return filepath.SkipDir
			}
			if e.Name() != m.prefix {
				return nil
			}
			if path != h.parent {
				parents = append(parents, path)
			}
			failed = append(failed, m.collect(byID, h, path, without))
			return filepath.SkipDir
		})
	}
	for _, g := range byID {
		left = append(left, g)
	}
	return left, parents, errors.Join(failed...)
}

// isAside reports whether a group is one into which an earlier node has stepped, with nobody in it.
func (m *Manager) isAside(path string) bool {
	if filepath.Base(path) != m.prefix+asideEnd || m.aside == path || within(m.aside, path) {
		return false
	}
	procs, err := fields(filepath.Join(path, procsFile))
	return err == nil && len(procs) == 0
}

// collect adds the groups in the group of a node.
func (m *Manager) collect(byID map[string]*Group, h *hierarchy, parent string, without func(id string) bool) error {
	children, err := os.ReadDir(parent)
	if err != nil {
		return gone(err)
	}
	for _, c := range children {
		id := c.Name()
		if !c.IsDir() || without(id) {
			continue
		}
		g := byID[id]
		if g == nil {
			g = &Group{m: m, id: id}
			byID[id] = g
		}
		p := part{h, filepath.Join(parent, id)}
		if !slices.Contains(g.parts, p) {
			g.parts = append(g.parts, p)
		}
	}
	return nil
}
