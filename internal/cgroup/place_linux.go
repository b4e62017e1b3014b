package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Files of version 2.
const (
	controllersFile = "cgroup.controllers"
	subtreeFile     = "cgroup.subtree_control"
	procsFile       = "cgroup.procs"
	killFile        = "cgroup.kill"
)

// asideEnd is the end of the name of the group into which a node goes that stands in the way of groups
// with limits beside it.
const asideEnd = "-node"

// place makes the node's group below the group that this process is in.
func (m *Manager) place(h *hierarchy, self membership) error {
	own, ok := h.directory(self)
	if !ok {
		return fmt.Errorf("the group of this process is not to be seen below %s: mount the control groups that it is in", h.top)
	}
	if h.unified {
		return m.placeUnified(h, own)
	}
	h.parent = filepath.Join(own, m.prefix)
	return m.makeParent(h.parent)
}

func (m *Manager) makeParent(dir string) error {
	if err := m.files.mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make control group: %w: %s", err, remedy(err))
	}
	return nil
}

// remedy says what to do about an error of making or changing a group.
func remedy(err error) string {
	switch {
	case errors.Is(err, unix.EROFS):
		return "mount the control groups so that they can be written to"
	case errors.Is(err, fs.ErrPermission):
		return "run the node as root, or, with version 2, in a group that is delegated to its user (systemd: Delegate=yes)"
	case errors.Is(err, unix.EBUSY):
		return "start the node in a control group of its own (systemd: a service with Delegate=yes), for this one holds other processes"
	}
	return "see whether the control groups are mounted as the system's own tools mount them"
}

// placeUnified looks for the nearest group, of those that offer most, which the kernel lets have
// children with limits: the one that this process is in, or one above. Before others comes one in which
// an earlier node has been: what made that the right place may have been changed by it.
func (m *Manager) placeUnified(h *hierarchy, own string) error {
	var places []string
	for dir := own; within(dir, h.top); dir = filepath.Dir(dir) {
		places = append(places, dir)
	}
	offers := func(dir string) (n int) {
		if _, err := os.Stat(filepath.Join(dir, m.prefix)); err == nil {
			n = len(ours)
		}
		for _, c := range offered(dir) {
			if c != block {
				n++
			}
		}
		return n
	}
	slices.SortStableFunc(places, func(a, b string) int { return offers(b) - offers(a) })
	var nearest error
	for _, dir := range places {
		err := m.placeBelow(h, dir, dir == own)
		if err == nil {
			return nil
		}
		if nearest == nil || dir == own {
			nearest = err
		}
	}
	return nearest
}

// ours are the controllers that we use.
var ours = []string{memory, cpu, pids, block}

// offered are the controllers of ours that a group could give to its children.
func offered(dir string) []string {
	all, _ := fields(filepath.Join(dir, controllersFile)) // none is a good answer to an error
	return slices.DeleteFunc(all, func(c string) bool { return !slices.Contains(ours, c) })
}

func (m *Manager) placeBelow(h *hierarchy, dir string, own bool) error {
	parent := filepath.Join(dir, m.prefix)
	if err := m.makeParent(parent); err != nil {
		return err
	}
	controllers := offered(dir)
	err := m.enable(dir, controllers)
	if own && errors.Is(err, unix.EBUSY) && m.stepAside(dir) == nil {
		if err = m.enable(dir, controllers); err != nil {
			m.stepBack()
		}
	}
	if err == nil {
		err = m.enable(parent, controllers)
	}
	if err != nil {
		_ = m.files.rmdir(parent)
		return fmt.Errorf("give limits to the groups below %s: %w: %s", dir, err, remedy(err))
	}
	h.parent, h.controllers = parent, controllers
	return nil
}

// enable gives the children of a group controllers, as far as they do not have them yet.
func (m *Manager) enable(dir string, controllers []string) error {
	file := filepath.Join(dir, subtreeFile)
	enabled, err := fields(file)
	if err != nil {
		return err
	}
	var more []string
	for _, c := range controllers {
		if !slices.Contains(enabled, c) {
			more = append(more, "+"+c)
		}
	}
	if len(more) == 0 {
		return nil
	}
	return m.files.write(file, strings.Join(more, " "))
}

// stepAside moves this process into a group of its own within the group that it is in, if it is alone
// there: in version 2 a group has either processes or children with limits. Others are not ours to move.
func (m *Manager) stepAside(own string) error {
	procs, err := fields(filepath.Join(own, procsFile))
	if err != nil || !slices.Equal(procs, []string{strconv.Itoa(os.Getpid())}) {
		return errors.Join(err, unix.EBUSY)
	}
	leaf := filepath.Join(own, m.prefix+asideEnd)
	if err := m.makeParent(leaf); err != nil {
		return err
	}
	if err := m.files.write(filepath.Join(leaf, procsFile), "0"); err != nil {
		return errors.Join(err, m.files.rmdir(leaf))
	}
	m.aside = leaf
	return nil
}

// stepBack undoes stepAside.
func (m *Manager) stepBack() {
	if m.aside == "" {
		return
	}
	own := filepath.Dir(m.aside)
	enabled, err := fields(filepath.Join(own, subtreeFile))
	for i, c := range enabled {
		enabled[i] = "-" + c
	}
	if err == nil && len(enabled) > 0 {
		err = m.files.write(filepath.Join(own, subtreeFile), strings.Join(enabled, " "))
	}
	if err == nil {
		err = m.files.write(filepath.Join(own, procsFile), "0")
	}
	if err == nil {
		err = m.files.rmdir(m.aside)
	}
	if err != nil {
		m.log.Warn("go back into the control group that the node was started in", attrError, err)
	}
	m.aside = ""
}
