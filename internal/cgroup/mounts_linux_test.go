package cgroup_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/cgroup"
)

const (
	unifiedMount = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
	oldMounts    = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n" +
		"32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n" +
		"35 31 0:32 / /sys/fs/cgroup/mem\\040ory rw,relatime - cgroup cgroup rw,memory\n" +
		"36 31 0:33 / /sys/fs/cgroup/devices rw,relatime - cgroup cgroup rw,devices\n" +
		"40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n"
)

func TestMounts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, mounts string
		want         []string
	}{
		{"none", "23 1 254:0 / / rw - ext4 /dev/vda rw\n", nil},
		{"version 2", unifiedMount, []string{"/sys/fs/cgroup"}},
		{"version 1", oldMounts, []string{"/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/mem ory"}},
		{"twice", unifiedMount + strings.Replace(unifiedMount, "/sys/fs", "/other", 1), []string{"/sys/fs/cgroup"}},
		{"cut", unifiedMount[:30], nil},
	} {
		got, err := cgroup.Mounts(strings.NewReader(c.mounts))
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: mounts = %q, %v, want %q", c.name, got, err, c.want)
		}
	}
}

func FuzzMounts(f *testing.F) {
	f.Add(unifiedMount)
	f.Add(oldMounts)
	f.Add(`1 2 3 \1 \09\777 - cgroup x ,,cpu,`)
	f.Fuzz(func(t *testing.T, mounts string) {
		got, err := cgroup.Mounts(strings.NewReader(mounts))
		if err == nil && len(got) > strings.Count(mounts, " - cgroup") {
			t.Errorf("%d hierarchies in %q", len(got), mounts)
		}
	})
}
