//go:build unix

package main_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/nextest"
)

// TestSecondSignal shows that a second signal ends a node that still waits for a workload which
// ignores the first, and that the workload goes with it.
func TestSecondSignal(t *testing.T) {
	home := t.TempDir()
	environ := append(nextest.Environ(), "HOME="+home, "NEX_DATA_DIR="+filepath.Join(home, "data"))
	up := exec.Command(filepath.Join(binDir, "nex"), "up", "--json", "--no-sandbox", "--port", "0")
	up.Env = environ
	p, err := nextest.StartReady(up)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	// The folder among the arguments is how the program is found.
	devrun := exec.Command(filepath.Join(binDir, "nex"), "devrun", filepath.Join(binDir, "testprog"), "--argv", "stubborn", "--argv", home)
	devrun.Env = environ
	if out, err := devrun.CombinedOutput(); err != nil {
		t.Fatalf("devrun: %v\n%s", err, out)
	}
	running := func() int {
		t.Helper()
		found, err := nextest.Processes(home)
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	if n := running(); n != 1 {
		t.Fatalf("%d programs run, want one", n)
	}
	signal := func() {
		t.Helper()
		if err := syscall.Kill(p.PID(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	signal()
	nextest.Await(t, "the node waits for its workload", func() bool { return strings.Contains(p.Log(), "workload stopping") })
	signal()
	select {
	case <-p.Done():
	case <-time.After(nextest.Patience):
		t.Fatal("the node does not end")
	}
	if !strings.Contains(p.Log(), "workloads are killed now") {
		t.Error("the node has waited until the grace period was over")
	}
	if n := running(); n != 0 {
		t.Errorf("%d programs run after the node has ended, want none", n)
	}
}
