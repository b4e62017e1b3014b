//go:build linux

package cgroup

import "io"

// Files is how a Manager makes, changes and removes groups.
type Files struct {
	Proc, Disks  string
	Mkdir, Rmdir func(dir string) error
	Write        func(file, value string) error
}

// OpenWith is Open with other files than the system's; what is empty stays the system's.
func OpenWith(c Config, f Files) (*Manager, error) {
	all := systemFiles()
	if f.Proc != "" {
		all.proc = f.Proc
	}
	if f.Disks != "" {
		all.disks = f.Disks
	}
	if f.Mkdir != nil {
		all.mkdir, all.rmdir, all.write = f.Mkdir, f.Rmdir, f.Write
	}
	return open(c, all)
}

// Dirs are the directories of the group.
func (g *Group) Dirs() (dirs []string) {
	for _, p := range g.parts {
		dirs = append(dirs, p.dir)
	}
	return dirs
}

// Parents are the directories of the node's group.
func (m *Manager) Parents() (dirs []string) {
	for _, h := range m.trees {
		dirs = append(dirs, h.parent)
	}
	return dirs
}

// Mounts says where the hierarchies are that a list of mounts has.
func Mounts(mountinfo io.Reader) (tops []string, err error) {
	all, err := hierarchies(mountinfo)
	for _, h := range all {
		tops = append(tops, h.top)
	}
	return tops, err
}
