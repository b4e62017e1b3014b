package escape_test

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"

	"github.com/nex-engine/nex/internal/nextest"
)

// machine is what there is on this machine that workloads and nodes might leave: interfaces, names of
// network namespaces, mounts, tables.
func machine(t *testing.T) string {
	t.Helper()
	list := append(interfaces(t), entries(t, "/run/netns")...)
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		list = append(list, "mount "+strings.Fields(line)[4])
	}
	nft, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	tables, err := nft.ListTables()
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		list = append(list, "table "+table.Name)
	}
	return strings.Join(list, "\n")
}

// interfaces are those of this network namespace, by paths of their names.
func interfaces(t *testing.T) []string {
	t.Helper()
	links, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, l := range links {
		list = append(list, "interface/"+l.Attrs().Name)
	}
	return list
}

// entries are the paths in a directory; one that is not there has none.
func entries(t *testing.T, dir string) []string {
	t.Helper()
	found, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var paths []string
	for _, e := range found {
		paths = append(paths, filepath.Join(dir, e.Name()))
	}
	return paths
}

// sandboxes are the traces of this node's sandboxes on the host: their directories, control groups,
// processes, interfaces and namespaces.
func (r *rig) sandboxes(t *testing.T) []string {
	t.Helper()
	var list []string
	dir := filepath.Join(r.up.Ready.DataDir, "sandbox", "gvisor")
	for _, path := range entries(t, dir) {
		if !strings.HasPrefix(filepath.Base(path), "rootfs-") {
			list = append(list, path)
		}
	}
	for id := range r.processes(t) {
		list = append(list, "processes of "+id)
	}
	for _, path := range slices.Concat(interfaces(t), entries(t, "/run/netns")) {
		if strings.HasPrefix(filepath.Base(path), "nex") {
			list = append(list, path)
		}
	}
	for _, group := range r.groups(t) {
		list = append(list, directories(t, group)...)
	}
	slices.Sort(list)
	return list
}

// inHome finds the id of a sandbox in the arguments of its processes.
func (r *rig) inHome() *regexp.Regexp {
	return regexp.MustCompile(regexp.QuoteMeta(filepath.Join(r.up.Ready.DataDir, "sandbox", "gvisor")) + `/([A-Za-z0-9]+)\b`)
}

// processes are those of each sandbox.
func (r *rig) processes(t *testing.T) map[string][]int {
	t.Helper()
	pids, err := nextest.Processes(r.up.Ready.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	home, byID := r.inHome(), map[string][]int{}
	for _, pid := range pids {
		line, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
		if err != nil {
			continue // it has ended
		}
		if found := home.FindSubmatch(line); found != nil {
			id := string(found[1])
			byID[id] = append(byID[id], pid)
		}
	}
	return byID
}

// groups are the node's control groups, which hold those of the sandboxes, in all hierarchies. They are found
// by a sandbox that runs, such as the neighbour's.
func (r *rig) groups(t *testing.T) []string {
	t.Helper()
	ids := slices.Collect(maps.Keys(r.processes(t)))
	var groups []string
	err := filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && slices.Contains(ids, d.Name()) && !slices.Contains(groups, filepath.Dir(path)) {
			groups = append(groups, filepath.Dir(path))
		}
		return nil // groups of others come and go
	})
	if err != nil {
		t.Fatal(err)
	}
	return groups
}

// directories are the directories in a directory.
func directories(t *testing.T, dir string) []string {
	t.Helper()
	return slices.DeleteFunc(entries(t, dir), func(path string) bool {
		info, err := os.Stat(path)
		return err != nil || !info.IsDir()
	})
}

// clean checks that nothing is left of the workloads of a group, and that the neighbour is as it was.
func (r *rig) clean(t *testing.T) {
	t.Helper()
	var now []string
	if !nextest.Poll(func() bool { now = r.sandboxes(t); return slices.Equal(now, r.neighbours) }) {
		t.Errorf("there are\n%s\nwant only the neighbour's\n%s", strings.Join(now, "\n"), strings.Join(r.neighbours, "\n"))
	}
	if _, err := r.ask(neighbour, nextest.Patience, "ping"); err != nil {
		t.Errorf("the neighbour does not answer: %v", err)
	}
	info, err := r.client.Info(context.WithoutCancel(t.Context()), r.node.NodeID)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range info.Machines {
		if m.Workload.Name == neighbour && (m.Restarts != 0 || !m.Healthy) {
			t.Errorf("the neighbour is %+v", m)
		}
	}
}
