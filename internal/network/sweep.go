//go:build linux

package network

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// leftover is what an earlier process of the node made for a sandbox.
type leftover struct {
	path string    // of its namespace, empty if there is none
	slot slot      // without an interface its name is empty
	ep   *Endpoint // as which it is in the table; nil if it is not
	// cut says that its interface is removed and its connections are ended.
	cut bool
}

// aliasOf is what an interface says about its sandbox, for a later process to read.
func aliasOf(id string, s slot) string { return fmt.Sprintf("%s %s %d", id, s.addr, s.mark) }

// parseAlias undoes aliasOf.
func parseAlias(alias string) (id string, s slot, ok bool) {
	fields := strings.Fields(alias)
	if len(fields) != 3 || !validID.MatchString(fields[0]) {
		return "", s, false
	}
	addr, err := parseIPv4(fields[1])
	if err != nil {
		return "", s, false
	}
	mark, err := strconv.ParseUint(fields[2], 10, 32)
	return fields[0], slot{addr: addr, mark: uint32(mark)}, err == nil
}

// findLeftovers looks for interfaces and namespaces with the node's name, by sandbox. An interface that
// does not say whose it is, since making it was cut short, has itself as a sandbox.
func (m *Manager) findLeftovers() (map[string]leftover, error) {
	found := map[string]leftover{}
	prefix := interfacePrefix(m.cfg.Name)
	links, err := allLinks()
	if err != nil {
		return nil, err
	}
	for _, l := range links {
		number, isOurs := strings.CutPrefix(l.Attrs().Name, prefix)
		if !isOurs {
			continue
		}
		id, s, ok := parseAlias(l.Attrs().Alias)
		if n, err := strconv.ParseUint(number, 16, 16); err == nil && ok {
			s.n = int(n)
		} else {
			id = l.Attrs().Name
		}
		s.iface = l.Attrs().Name
		found[id] = leftover{slot: s}
	}
	entries, err := os.ReadDir(namespaceDir)
	if err != nil {
		return nil, fmt.Errorf("list network namespaces: %w", err)
	}
	for _, e := range entries {
		if id, isOurs := strings.CutPrefix(e.Name(), prefix); isOurs && validID.MatchString(id) {
			l := found[id]
			l.path = filepath.Join(namespaceDir, e.Name())
			found[id] = l
		}
	}
	return found, nil
}

// namespaceKey tells network namespaces apart.
type namespaceKey struct{ dev, ino uint64 }

func namespaceAt(path string) (namespaceKey, error) {
	var st unix.Stat_t
	err := unix.Stat(path, &st)
	return namespaceKey{uint64(st.Dev), st.Ino}, err
}

// usedNamespaces are the network namespaces that processes are in.
func usedNamespaces() (map[namespaceKey]bool, error) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer func() { _ = proc.Close() }() // only read
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	used := map[namespaceKey]bool{}
	for _, name := range names {
		if name[0] < '0' || name[0] > '9' {
			continue
		}
		if key, err := namespaceAt("/proc/" + name + "/ns/net"); err == nil { // else it has ended
			used[key] = true
		}
	}
	return used, nil
}

// Sweep removes what an earlier process with the same name left for sandboxes that keep says no to, and
// returns for how many; one that cannot be removed does not keep the others. It leaves those alone in which a
// process still runs. Sandboxes of this manager, adopted ones too, are none of its business. What was exposed
// by the earlier process alone is exposed no more.
func (m *Manager) Sweep(ctx context.Context, keep func(id string) bool) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return 0, errClosed
	}
	removed, err := m.removeLeftovers(ctx, keep)
	return removed, errors.Join(err, m.hideTaken())
}

// removeLeftovers must be called with mu held.
func (m *Manager) removeLeftovers(ctx context.Context, keep func(id string) bool) (int, error) {
	if len(m.left) == 0 {
		return 0, nil
	}
	used, err := usedNamespaces()
	if err != nil {
		return 0, fmt.Errorf("look for processes in network namespaces: %w", err)
	}
	removed := 0
	var errs []error
	for id, l := range m.left {
		if err := ctx.Err(); err != nil {
			return removed, errors.Join(append(errs, err)...)
		}
		if keep(id) {
			continue
		}
		if key, err := namespaceAt(l.path); err == nil && used[key] {
			m.log.Info("the network of a sandbox of an earlier process is still in use", "sandbox", id)
			continue
		}
		if err := m.removeLeftover(id, l); err != nil {
			errs = append(errs, fmt.Errorf("remove what is left of sandbox %s: %w", id, err))
			continue
		}
		delete(m.left, id)
		removed++
	}
	return removed, errors.Join(errs...)
}

func (m *Manager) removeLeftover(id string, l leftover) error {
	switch {
	case m.cni != nil && l.path != "":
		return errors.Join(m.cni.detach(id, l.path), m.forgetPolicy(id))
	case l.ep != nil:
		delete(m.byAddr, l.slot.addr)
		l.ep.mu.Lock()
		defer l.ep.mu.Unlock()
		if err := m.detach(l.ep); err != nil {
			return err
		}
		m.numbers.give(l.slot.n)
		return nil
	}
	if l.slot.iface != "" && !l.cut {
		if err := removeLink(l.slot.iface); err != nil {
			return err
		}
		if l.slot.addr.IsValid() {
			abort(l.slot.addr, m.log)
		}
		l.cut = true // if what follows fails, the address may become another node's
		m.left[id] = l
	}
	if l.slot.addr.IsValid() {
		forget(l.slot.addr, m.log)
	}
	if l.path != "" {
		if err := removeNamespace(l.path); err != nil {
			return err
		}
	}
	return m.forgetPolicy(id)
}
