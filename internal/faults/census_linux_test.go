package faults_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"

	"github.com/nex-engine/nex/internal/nextest"
)

// census counts what there is of a node. With the same workloads there must not be more of it than before.
type census map[string]int

// allowance is by how much a count may exceed the one before the first fault. What is not listed may not.
var allowance = census{
	"open files": 24, // connections to clients that come and go
	"sockets":    24,
	"threads":    24, // the Go runtime keeps those that have waited in system calls
	"MiB":        96,
	"files":      16, // generations of files
}

// mostIdle is how many agents more than before may be idle: those that were started for workloads which got another.
const mostIdle = 2

// nothingLeft: of each node there is not more than before the first fault, but for what belongs to idle agents.
func (w *world) nothingLeft(ctx context.Context, _ *step) error {
	for _, n := range w.nodes {
		now, err := w.count(ctx, n)
		if err != nil {
			return err
		}
		before := w.first[n]
		idle := now["idle agents"] - before["idle agents"]
		if idle < 0 || idle > mostIdle {
			return fmt.Errorf("of node %s %d agents are idle, and %d were", n.name, now["idle agents"], before["idle agents"])
		}
		for _, what := range slices.Sorted(maps.Keys(now)) {
			each := (before[what] + before["sandboxes"] - 1) / before["sandboxes"] // of one sandbox, at most
			bound := before[what] + allowance[what] + idle*each
			if now[what] > bound || allowance[what] == 0 && now[what] < before[what] {
				return fmt.Errorf("of node %s there are %d %s, and there were %d\n%s", n.name, now[what], what, before[what], n.inventory())
			}
		}
	}
	return nil
}

// count is the census of a node, with the agents that it says are idle.
func (w *world) count(ctx context.Context, n *node) (census, error) {
	info, err := w.client.Info(ctx, n.id)
	if err != nil {
		return nil, err
	}
	now, err := n.census()
	if err == nil {
		now["idle agents"] = info.AvailableAgents
	}
	return now, err
}

// census counts.
func (n *node) census() (census, error) {
	pid := strconv.Itoa(n.process.PID())
	now := census{"processes": len(n.left()) - 1, "temporary files": len(entries(n.tmp))}
	fds, err := os.ReadDir(filepath.Join("/proc", pid, "fd"))
	if err != nil {
		return nil, err
	}
	now["open files"] = len(fds)
	status, err := os.ReadFile(filepath.Join("/proc", pid, "status"))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(status)) {
		fields := strings.Fields(line)
		switch fields[0] {
		case "Threads:":
			now["threads"], err = strconv.Atoi(fields[1])
		case "VmRSS:":
			now["MiB"], err = strconv.Atoi(fields[1])
			now["MiB"] >>= 10
		}
		if err != nil {
			return nil, err
		}
	}
	now["sockets"] = sockets(pid)
	now["sandboxes"] = len(n.sandboxes())
	now["links"] = len(entries(filepath.Join(n.dir, "link")))
	now["control groups"] = len(n.groups())
	files, err := files(n.dir)
	now["files"] = len(files)
	return now, errors.Join(err, n.at.do(func() error {
		links, err := netlink.LinkList()
		now["interfaces"] = len(links)
		return err
	}))
}

// steady counts once nothing changes any more.
func (w *world) steady(t *testing.T, n *node) census {
	t.Helper()
	var last census
	nextest.Await(t, "node "+n.name+" is at rest", func() bool {
		now, err := w.count(t.Context(), n)
		must(t, err)
		same := last != nil
		for _, what := range []string{"idle agents", "sandboxes", "processes", "files", "control groups"} {
			same = same && now[what] == last[what]
		}
		last = now
		if !same {
			time.Sleep(200 * time.Millisecond)
		}
		return same
	})
	return last
}

// inventory lists what is counted, for whoever looks for what is left.
func (n *node) inventory() string {
	paths, _ := files(n.dir) // what there is of it
	lines := slices.Concat([]string{"sandboxes:"}, n.sandboxes(), []string{"processes:"})
	for _, pid := range n.left() {
		line, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
		lines = append(lines, fmt.Sprintf("%d %s", pid, bytes.ReplaceAll(line, []byte{0}, []byte(" "))))
	}
	lines = append(lines, "files:")
	const most = 300
	return strings.Join(append(lines, paths[:min(most, len(paths))]...), "\n")
}

// left are the processes of a node: those that have its data directory in their arguments or environment.
func (n *node) left() []int {
	var found []int
	for _, dir := range entries("/proc") {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		for _, name := range []string{"cmdline", "environ"} {
			content, err := os.ReadFile(filepath.Join(dir, name))
			if err == nil && bytes.Contains(content, []byte(n.dir)) && !dead(dir) {
				found = append(found, pid)
				break
			}
		}
	}
	return found
}

// dead reports whether a process has ended and was not waited for.
func dead(dir string) bool {
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return true
	}
	return bytes.HasPrefix(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" Z"))
}

// sandboxes are the ids of the node's sandboxes.
func (n *node) sandboxes() []string {
	var ids []string
	for _, path := range entries(filepath.Join(n.dir, "sandbox", "process"), filepath.Join(n.dir, "sandbox", "gvisor")) {
		if info, err := os.Stat(path); err == nil && info.IsDir() && !strings.HasPrefix(filepath.Base(path), "rootfs-") {
			ids = append(ids, filepath.Base(path))
		}
	}
	return ids
}

// groups are the control groups of the node's sandboxes, and of those that it had: it looks beside the former.
func (n *node) groups() []string {
	ids := n.sandboxes()
	if n.groupDirs == nil {
		_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error { // groups of others come and go
			if err == nil && d.IsDir() && slices.Contains(ids, d.Name()) && !slices.Contains(n.groupDirs, filepath.Dir(path)) {
				n.groupDirs = append(n.groupDirs, filepath.Dir(path))
			}
			return nil
		})
	}
	var groups []string
	for _, path := range entries(n.groupDirs...) {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			groups = append(groups, path)
		}
	}
	return groups
}

// sockets counts those of a process's network namespace, without connections that have ended.
func sockets(pid string) int {
	const timeWait = "06"
	count := 0
	for _, name := range []string{"tcp", "tcp6", "udp", "udp6", "unix"} {
		table, err := os.ReadFile(filepath.Join("/proc", pid, "net", name))
		if err != nil {
			continue // there is no IPv6
		}
		for line := range strings.Lines(string(table)) {
			if fields := strings.Fields(line); name == "unix" || len(fields) > 3 && fields[3] != timeWait {
				count++
			}
		}
	}
	return count
}

// entries are the paths in directories; one that is not there has none.
func entries(dirs ...string) []string {
	var paths []string
	for _, dir := range dirs {
		found, _ := os.ReadDir(dir)
		for _, e := range found {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths
}

// files are all files below a directory, but those of the artifact cache, and the damaged ones that are kept.
func files(dir string) ([]string, error) {
	var paths []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // it has just gone
			return nil
		case err == nil && d.IsDir() && (strings.Contains(d.Name(), "cache") || d.Name() == "damaged"):
			return fs.SkipDir
		}
		paths = append(paths, path)
		return err
	})
	return paths, err
}

// machine is what there is on this machine that nodes might leave: interfaces, names of network namespaces,
// mounts, tables.
func machine(t *testing.T) string {
	t.Helper()
	var list []string
	links, err := netlink.LinkList()
	must(t, err)
	for _, l := range links {
		list = append(list, "interface "+l.Attrs().Name)
	}
	list = append(list, entries("/run/netns")...)
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	for line := range strings.Lines(string(mounts)) {
		list = append(list, "mount "+strings.Fields(line)[4])
	}
	nft, err := nftables.New()
	must(t, err)
	tables, err := nft.ListTables()
	must(t, err)
	for _, table := range tables {
		list = append(list, "table "+table.Name)
	}
	return strings.Join(list, "\n")
}
