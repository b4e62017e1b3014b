package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/sandbox"
)

// Keys of log attributes.
const (
	attrGroup = "group"
	attrError = "error"
)

// Manager makes the control groups of a node. A nil Manager is one that can make none.
type Manager struct {
	prefix string
	log    *slog.Logger
	trees  []*hierarchy // in which groups are made; none where that does not work
	limits sandbox.LimitSet
	files  files
	aside  string // where this process was moved to; empty if it was not

	// earlier are the groups that earlier nodes have left, by id.
	earlier func() (map[string][]part, error)

	mu     sync.Mutex
	groups map[string]bool // by id: those that are not removed yet
	others []string        // the groups of earlier nodes that adopted groups are in
}

// files is how groups are made, changed and removed; a test plays it.
type files struct {
	proc         string // of this process: /proc/self
	disks        string // /sys/block
	mkdir, rmdir func(dir string) error
	write        func(file, value string) error
}

func systemFiles() files {
	return files{
		proc:  "/proc/self",
		disks: "/sys/block",
		mkdir: func(dir string) error { return os.Mkdir(dir, 0o755) },
		rmdir: unix.Rmdir,
		write: write,
	}
}

// Open finds out which control groups can be made here, and makes the node's. That none can be made is
// no error: see Limits. The error is about the Config.
//
// With version 2 it moves this process into a group of its own, if it is the only one in its group and
// the kernel asks for that.
func Open(c Config) (*Manager, error) { return open(c, systemFiles()) }

func open(c Config, f files) (*Manager, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	m := &Manager{prefix: c.Prefix, log: c.Logger, files: f, groups: map[string]bool{}}
	m.earlier = sync.OnceValues(m.lookEarlier)
	all, self, err := m.look()
	if err != nil {
		m.limits.Missing = fmt.Sprintf("control groups cannot be used: %v", err)
		return m, nil
	}
	var failed []error
	for _, h := range all {
		if err := m.place(h, self); err != nil {
			failed = append(failed, err)
			continue
		}
		m.trees = append(m.trees, h)
	}
	m.limits = m.assess(failed)
	return m, nil
}

// look finds the hierarchies of use, and where in them this process is.
func (m *Manager) look() ([]*hierarchy, membership, error) {
	mounts, err := os.Open(filepath.Join(m.files.proc, "mountinfo"))
	if err != nil {
		return nil, membership{}, err
	}
	defer mounts.Close()
	all, err := hierarchies(mounts)
	if err != nil {
		return nil, membership{}, err
	}
	if !startsInGroup() {
		all = slices.DeleteFunc(all, func(h *hierarchy) bool { return h.unified })
	}
	if len(all) == 0 {
		return nil, membership{}, errors.New("none is mounted that this kernel can start a process in: mount version 2 at /sys/fs/cgroup, with linux 5.7 or later")
	}
	self, err := memberOf(filepath.Join(m.files.proc, "cgroup"))
	return all, self, err
}

// assess says what can be bounded. If the processes of a group could not be ended for sure, it is
// better to have none.
func (m *Manager) assess(failed []error) sandbox.LimitSet {
	endable := m.tree(pids) != nil
	for _, h := range m.trees {
		_, err := os.Stat(filepath.Join(h.parent, killFile))
		endable = endable || err == nil
	}
	if !endable {
		reason := "their processes could not be ended: boot linux 5.14 or later, or with the controller pids"
		if len(failed) > 0 {
			reason = failed[0].Error() // the others are the same again
		}
		if err := m.undo(); err != nil {
			m.log.Warn("remove control groups that are of no use", attrError, err)
		}
		return sandbox.LimitSet{Missing: "control groups cannot be used: " + reason}
	}
	var reasons []string
	for _, err := range failed {
		reasons = append(reasons, err.Error())
	}
	for _, c := range []string{memory, cpu, pids} {
		if m.tree(c) == nil {
			reasons = append(reasons, fmt.Sprintf("the controller %s is not there: boot a kernel with it, or have it delegated to the node's control group", c))
		}
	}
	io := m.tree(block) != nil
	if !io {
		reasons = append(reasons, "bandwidth and operations of disks are bounded with version 2 of control groups and its controller io alone, "+
			"for version 1 does not see who fills the page cache: boot with version 2")
	}
	return sandbox.LimitSet{
		Memory: m.tree(memory) != nil, CPUs: m.tree(cpu) != nil, PIDs: m.tree(pids) != nil,
		Bandwidth: io, IOPS: io,
		Missing: strings.Join(reasons, "; "),
	}
}

// tree is the hierarchy that has a controller, or nil.
func (m *Manager) tree(controller string) *hierarchy {
	for _, h := range m.trees {
		if h.has(controller) {
			return h
		}
	}
	return nil
}

// Limits says which limits the groups enforce. Bandwidth and IOPS are those of disks alone, for each
// disk, and for reading and writing each; OpenFiles and Disk are no matter of control groups, and
// Missing does not speak of them.
func (m *Manager) Limits() sandbox.LimitSet {
	if m == nil {
		return sandbox.LimitSet{Missing: "control groups are not used"}
	}
	return m.limits
}

// Create makes a group with limits, for as long as until its Remove. The id is unique in this Manager:
// letters, digits and dashes, at most 64. OpenFiles and DiskBytes do not count. A limit that does not
// hold here is an error; if there is one nothing is left of the group.
func (m *Manager) Create(id string, l sandbox.Limits) (_ *Group, err error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	if m == nil {
		m = none(m.Limits())
	}
	g := &Group{m: m, id: id}
	if err := m.take(id); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.rmdirs())
			m.forget(id)
		}
	}()
	for _, h := range m.trees {
		dir := filepath.Join(h.parent, id)
		if err := m.files.mkdir(dir); err != nil {
			return nil, fmt.Errorf("make control group: %w", err)
		}
		g.parts = append(g.parts, part{h, dir})
	}
	return g, g.Set(l)
}

func (m *Manager) take(id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.groups[id] {
		return fmt.Errorf("control group %s is there already", id)
	}
	m.groups[id] = true
	return nil
}

func (m *Manager) forget(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.groups, id)
}

// Close removes the node's group. Its groups must have been removed; what is left is an error, and
// found by Sweep the next time.
func (m *Manager) Close() error {
	if m == nil {
		return nil
	}
	return m.undo()
}

func (m *Manager) undo() error {
	parents := m.others
	for _, h := range m.trees {
		parents = append(parents, h.parent)
	}
	var failed []error
	for _, dir := range parents {
		if err := m.files.rmdir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = append(failed, fmt.Errorf("remove control group %s: %w", dir, err))
		}
	}
	m.trees = nil
	m.stepBack()
	return errors.Join(failed...)
}
