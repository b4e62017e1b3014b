package cgroup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Sweep kills and removes the groups that an earlier Manager with the same Prefix has left, wherever it
// was started, and nothing else; it returns how many there were. It goes on with the others when it
// fails at one, and the error then tells of each.
func (m *Manager) Sweep(ctx context.Context) (int, error) {
	if m == nil || len(m.trees) == 0 {
		return 0, nil
	}
	left, parents, err := m.leftovers()
	if err != nil {
		return 0, fmt.Errorf("look for left control groups: %w", err)
	}
	swept := 0
	var failed []error
	for _, g := range left {
		err := g.Kill(ctx)
		if err == nil {
			err = g.Remove(ctx)
		}
		if err != nil {
			failed = append(failed, err)
			continue
		}
		swept++
	}
	for _, dir := range parents {
		// One that another process has just made use of is not left.
		if err := m.files.rmdir(dir); err != nil && gone(err) != nil && len(failed) == 0 {
			failed = append(failed, fmt.Errorf("remove left control group %s: %w", dir, err))
		}
	}
	return swept, errors.Join(failed...)
}

// leftovers finds the groups with our prefix that this Manager has not made, and the groups of nodes
// that they were in, as far as these are not its own.
func (m *Manager) leftovers() (left []*Group, parents []string, err error) {
	byID := map[string]*Group{}
	for _, h := range m.trees {
		err := filepath.WalkDir(h.top, func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return gone(err)
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
			if err := m.collect(byID, h, path); err != nil {
				return err
			}
			return filepath.SkipDir
		})
		if err != nil {
			return nil, nil, err
		}
	}
	for _, g := range byID {
		left = append(left, g)
	}
	return left, parents, nil
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
func (m *Manager) collect(byID map[string]*Group, h *hierarchy, parent string) error {
	children, err := os.ReadDir(parent)
	if err != nil {
		return gone(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range children {
		id := c.Name()
		if !c.IsDir() || m.groups[id] {
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
