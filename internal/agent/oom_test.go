//go:build linux

package agent_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	nex "github.com/nex-engine/nex"
)

// A program that the kernel kills for want of memory is told from one that somebody kills.
func TestExitOutOfMemory(t *testing.T) {
	t.Parallel()
	const limit = 192 << 20 // the agent lives in it too
	join := memoryCgroup(t, limit)
	n := startAgent(t)
	join(n.cmd.Process.Pid)
	// It keeps a last line that never ends; should the limit not hold, that ends at 1 GiB anyway.
	n.run(`ulimit -v 1048576; exec tail /dev/zero`)
	want := nex.Exit{Code: -1, Signal: "SIGKILL", OOM: true}
	if got := n.awaitExit(); got != want {
		t.Errorf("exit = %+v, want %+v", got, want)
	}
}

// memoryCgroup makes a cgroup with a memory limit, and returns what puts a process there. The test
// is skipped where that cannot be done.
func memoryCgroup(t *testing.T, limit int) (join func(pid int)) {
	t.Helper()
	for _, v := range []struct{ parent, limit string }{
		{"/sys/fs/cgroup", "memory.max"},
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
	} {
		dir, err := os.MkdirTemp(v.parent, "nex-agent-test-")
		if err != nil {
			continue
		}
		t.Cleanup(func() {
			if err := os.Remove(dir); err != nil {
				t.Errorf("remove cgroup: %v", err)
			}
		})
		set := func(file string, value int) error {
			f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY, 0) // which must exist
			if err != nil {
				return err
			}
			_, err = f.WriteString(strconv.Itoa(value))
			return errors.Join(err, f.Close())
		}
		if err := set(v.limit, limit); err != nil {
			continue
		}
		return func(pid int) {
			t.Helper()
			if err := set("cgroup.procs", pid); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Skip("cannot make a memory cgroup: needs root and the memory controller")
	return nil
}
