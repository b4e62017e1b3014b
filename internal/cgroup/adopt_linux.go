package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/nex-engine/nex/internal/sandbox"
)

// Adopt takes over a group that an earlier Manager with the same Prefix has left, wherever in the hierarchies
// that was started, as if Create had made it here. The limits are those that it was given last; the next Set
// writes all of its own. If there is no such group, because none could be made when it was to be, the Group
// holds nobody and refuses limits.
func (m *Manager) Adopt(id string, l sandbox.Limits) (*Group, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	if m == nil {
		m = none(m.Limits())
	}
	if err := m.take(id); err != nil {
		return nil, err
	}
	parts, err := m.find(id)
	if err != nil {
		m.forget(id)
		return nil, fmt.Errorf("look for control group %s: %w", id, err)
	}
	if len(parts) == 0 {
		m.forget(id)
		return &Group{m: none(sandbox.LimitSet{Missing: "the sandbox was started without control groups"}), id: id}, nil
	}
	m.noteParents(parts)
	return &Group{m: m, id: id, parts: parts, limits: l, unsure: true}, nil
}

// none is a Manager that makes groups which hold nobody.
func none(l sandbox.LimitSet) *Manager { return &Manager{limits: l, groups: map[string]bool{}} }

// find finds where a group is: where it would be made now, or else where an earlier node has made it.
func (m *Manager) find(id string) ([]part, error) {
	var here []part
	for _, h := range m.trees {
		dir := filepath.Join(h.parent, id)
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			here = append(here, part{h, dir})
		}
	}
	if len(here) == len(m.trees) {
		return here, nil
	}
	left, err := m.earlier()
	if err != nil {
		return nil, err
	}
	for _, p := range left[id] {
		if !slices.Contains(here, p) {
			here = append(here, p)
		}
	}
	return here, nil
}

// lookEarlier finds the groups of earlier nodes, by id. It looks at all the groups of the machine, but only
// once: there will be no others.
func (m *Manager) lookEarlier() (map[string][]part, error) {
	left, _, err := m.leftovers(func(string) bool { return false })
	byID := map[string][]part{}
	for _, g := range left {
		byID[g.id] = g.parts
	}
	return byID, err
}

// noteParents remembers the groups of earlier nodes whose groups are ours now: Close removes them.
func (m *Manager) noteParents(parts []part) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range parts {
		if dir := filepath.Dir(p.dir); dir != p.parent && !slices.Contains(m.others, dir) {
			m.others = append(m.others, dir)
		}
	}
}

// Leave is Close for a node that leaves its sandboxes running: their groups stay as they are, to be adopted or
// swept by the next Manager with the same Prefix. With none left it is Close.
func (m *Manager) Leave() error {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	left := len(m.groups)
	m.mu.Unlock()
	if left == 0 {
		return m.Close()
	}
	m.trees = nil
	return nil
}

// Abandon gives up a group that was adopted in vain. It stays as it is, for Sweep.
func (g *Group) Abandon() { g.m.forget(g.id) }
