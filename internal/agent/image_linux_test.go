package agent_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/agent"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/proctree"
)

// asOrdinaryUser calls f on a thread that may not enter what is closed to others, as the agent in a sandbox.
func asOrdinaryUser(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f()
		return
	}
	const nobody = 65534
	become := func(uid int) { // for this thread alone
		keep := -1
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(keep), uintptr(uid), uintptr(keep)); errno != 0 {
			panic(errno) // the thread must not be used any more
		}
	}
	proctree.OffFirstThread(func() {
		become(nobody)
		defer become(0)
		f()
	})
}

// Where the agent may not look the program may be: then its user tries. What the agent can see goes first.
func TestLookInHidden(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"own": 0, "other": 0, "open": 0o755} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, "prog"), nil, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(filepath.Join(dir, name), 0o755) }) // to be removed
	}
	hidden := "PATH=" + dir + "/missing:" + dir + "/own:" + dir + "/other"
	for search, want := range map[string]string{
		hidden:                         dir + "/own/prog",
		hidden + ":" + dir + "/open":   dir + "/open/prog",
		"PATH=" + dir + "/missing":     "",
		"PATH=" + dir + "/open:" + dir: dir + "/open/prog",
	} {
		var got string
		var err error
		asOrdinaryUser(t, func() { got, err = agent.LookIn([]string{search}, "/", "prog") })
		if got != want || (err == nil) != (want != "") {
			t.Errorf("in %s: %q, %v, want %q", search, got, err, want)
		}
	}

	i := &agentlink.Image{Command: []string{"prog"}, UID: 7}
	for _, errno := range []syscall.Errno{syscall.EACCES, syscall.ENOENT} {
		var got string
		asOrdinaryUser(t, func() {
			got = agent.ImageProblem(i, &fs.PathError{Op: "fork/exec", Path: dir + "/own/prog", Err: errno})
		})
		if !strings.Contains(got, `no program "prog"`) || !strings.Contains(got, dir+"/own/prog could not be executed: "+errno.Error()) {
			t.Errorf("%v: %q", errno, got)
		}
	}
}
