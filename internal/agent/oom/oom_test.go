package oom_test

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/nex-engine/nex/internal/agent/oom"
)

const (
	v2Mount     = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
	v1Mount     = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n31 30 0:31 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
	hybridMount = "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 none rw\n" + v1Mount
	boundMount  = "35 31 0:32 /pods/a /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
)

func TestWatch(t *testing.T) {
	tests := []struct {
		name    string
		groups  string
		mounts  string
		counter string // the file that must be looked at
		other   string // a file that must not
	}{
		{"version 2", "0::/a/b\n", v2Mount, "sys/fs/cgroup/a/b/memory.events", "proc/vmstat"},
		{"version 1", "3:cpu:/a\n2:memory:/m\n", v1Mount, "sys/fs/cgroup/memory/m/memory.oom_control", "proc/vmstat"},
		{"version 1 in the root", "2:memory:/\n", v1Mount, "sys/fs/cgroup/memory/memory.oom_control", "proc/vmstat"},
		{"both, memory in version 1", "2:memory:/m\n0::/m\n", hybridMount, "sys/fs/cgroup/memory/m/memory.oom_control", "proc/vmstat"},
		{"a part is mounted", "2:memory:/pods/a/x\n", boundMount, "sys/fs/cgroup/memory/x/memory.oom_control", "sys/fs/cgroup/memory/memory.oom_control"},
		{"another part is mounted", "2:memory:/pods/b\n", boundMount, "proc/vmstat", "sys/fs/cgroup/memory/memory.oom_control"},
		{"outside of the namespace", "0::/../../x\n", v2Mount, "proc/vmstat", "sys/fs/cgroup/x/memory.events"},
		{"no cgroups", "", "", "proc/vmstat", "sys/fs/cgroup/memory.events"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := fstest.MapFS{
				"proc/self/cgroup":    {Data: []byte(tt.groups)},
				"proc/self/mountinfo": {Data: []byte(tt.mounts)},
			}
			set := func(file, value string) {
				root[file] = &fstest.MapFile{Data: []byte("oom 9\noom_kill " + value + "\noom_group_kill 9\n")}
			}
			set("proc/vmstat", "7")
			set(tt.other, "7")
			set(tt.counter, "7")
			w := oom.Begin(root)
			if w.Struck() {
				t.Errorf("Struck although nothing happened")
			}
			set(tt.other, "8")
			if w.Struck() {
				t.Errorf("Struck because of %s", tt.other)
			}
			set(tt.counter, "8")
			if !w.Struck() {
				t.Errorf("not Struck although %s rose", tt.counter)
			}
			delete(root, tt.counter)
			if w.Struck() {
				t.Errorf("Struck without a counter")
			}
		})
	}
}

func TestWatchNothing(t *testing.T) {
	if oom.Begin(fstest.MapFS{}).Struck() {
		t.Error("Struck without a counter")
	}
}

// The machine's own files must at least not confuse it.
func TestWatchThisMachine(t *testing.T) {
	oom.Begin(os.DirFS("/")).Struck()
}

func FuzzWatch(f *testing.F) {
	f.Add("0::/a\n2:memory:/m\n", hybridMount, "oom_kill 1\n")
	f.Add("0::/../x", v2Mount, "oom_kill -1")
	f.Fuzz(func(t *testing.T, groups, mounts, counters string) {
		root := fstest.MapFS{
			"proc/self/cgroup":    {Data: []byte(groups)},
			"proc/self/mountinfo": {Data: []byte(mounts)},
			"proc/vmstat":         {Data: []byte(counters)},
		}
		w := oom.Begin(root)
		if w.Struck() {
			t.Errorf("Struck although nothing happened with %q", strings.TrimSpace(counters))
		}
	})
}
