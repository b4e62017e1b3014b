// Package oom finds out whether the kernel has killed a process because memory ran out.
//
// A process that dies of it looks like one that somebody killed with SIGKILL. Only counters tell:
// those of the process's memory cgroup where they can be read (cgroup v2, else v1), otherwise the
// machine's. The last counts everybody's processes, so with it a program that somebody else killed
// can be mistaken for one that ran out of memory, if that happened to another since the Watch began.
// On systems other than linux nothing is ever found.
package oom

import (
	"bytes"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// Watch remembers how often processes have been killed before.
type Watch struct {
	root   fs.FS
	file   string // where the counter is; empty if there is none
	before uint64
}

// counter is the name of the counter, in every file that has it.
const counter = "oom_kill"

// Begin starts a watch over the calling process's cgroup, which its children inherit. The root is
// the root file system, os.DirFS("/").
func Begin(root fs.FS) Watch {
	for _, file := range append(cgroupFiles(root), "proc/vmstat") {
		if n, ok := read(root, file); ok {
			return Watch{root: root, file: file, before: n}
		}
	}
	return Watch{}
}

// Struck reports whether a process has been killed for want of memory since the watch began.
func (w Watch) Struck() bool {
	if w.file == "" {
		return false
	}
	now, ok := read(w.root, w.file)
	return ok && now > w.before
}

// read returns the counter from a file of lines "name value".
func read(root fs.FS, file string) (uint64, bool) {
	b, err := fs.ReadFile(root, file)
	if err != nil {
		return 0, false
	}
	for line := range bytes.Lines(b) {
		name, value, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		if name == counter {
			n, err := strconv.ParseUint(value, 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

// cgroupFiles returns where the counters of this process's cgroups may be, version 2 first.
func cgroupFiles(root fs.FS) []string {
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return nil
	}
	mounts, err := fs.ReadFile(root, "proc/self/mountinfo")
	if err != nil {
		return nil
	}
	var v1, v2 []string
	for line := range bytes.Lines(groups) {
		// hierarchy:controllers:path, and 0::path for version 2.
		fields := strings.SplitN(strings.TrimSpace(string(line)), ":", 3)
		switch {
		case len(fields) != 3:
		case fields[0] == "0" && fields[1] == "":
			v2 = append(v2, located(mounts, "cgroup2", "", fields[2], "memory.events")...)
		case hasOption(fields[1], "memory"):
			v1 = append(v1, located(mounts, "cgroup", "memory", fields[2], "memory.oom_control")...)
		}
	}
	return append(v2, v1...)
}

// located returns where the file of a cgroup is, below every mount of the hierarchy that shows it.
func located(mounts []byte, fstype, option, group, file string) []string {
	var found []string
	for line := range bytes.Lines(mounts) {
		// id parent device root mountpoint options … - fstype source options
		mount, system, _ := strings.Cut(string(line), " - ")
		m, s := strings.Fields(mount), strings.Fields(system)
		if len(m) < 5 || len(s) < 3 || s[0] != fstype || option != "" && !hasOption(s[2], option) {
			continue
		}
		within, ok := strings.CutPrefix(group, strings.TrimSuffix(m[3], "/"))
		if !ok || strings.Contains(within+"/", "/../") {
			continue // the mount, or this process's cgroup namespace, shows another part
		}
		found = append(found, strings.TrimPrefix(path.Join(m[4], within, file), "/"))
	}
	return found
}

func hasOption(list, option string) bool {
	for o := range strings.SplitSeq(list, ",") {
		if o == option {
			return true
		}
	}
	return false
}
