package escape_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
	"github.com/nex-engine/nex/internal/nextest"
)

// memory is about who takes more than he may: he is killed, that is said, and if he is essential he comes
// back.
func memory(t *testing.T, r *rig, _ *world) {
	for _, c := range []struct {
		name string
		args []string
	}{
		{"glutton", []string{"exhaust", "memory"}},
		{"hoarder", []string{"exhaust", "inodes", "/work"}},
	} {
		d := r.intruder(c.name)
		d.MemoryMiB, d.Essential = 64, true
		id := r.deploy(t, d)
		killed := r.watch(t, id, func(e nex.WorkloadStateChanged) bool { return strings.Contains(e.Reason, "memory ran out") })
		r.unharmed(t, func() {
			r.tell(t, c.name, c.args...) // there is no answer
			e := killed()
			if e.To != nex.StateRestarting {
				t.Errorf("the %s is %+v", c.name, e)
			}
			nextest.Await(t, "it runs again", func() bool {
				m := r.workload(t, id)
				return m != nil && m.State == nex.StateRunning && m.Restarts == 1
			})
		})
	}
}

// watch returns a function that waits until the node tells something of a workload.
func (r *rig) watch(t *testing.T, id string, is func(nex.WorkloadStateChanged) bool) func() nex.WorkloadStateChanged {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), attackTimeout)
	found, ready := make(chan nex.WorkloadStateChanged, 1), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- r.client.WatchEvents(ctx, client.EventFilter{}, func() { close(ready) }, func(e nex.Event) {
			if e.Type != nex.EventWorkloadState {
				return
			}
			c, err := e.StateChange()
			if err == nil && c.ID == id && is(c) {
				select {
				case found <- c:
				default:
				}
			}
		})
	}()
	select {
	case <-ready:
	case err := <-done:
		cancel()
		t.Fatalf("watch events: %v", err)
	}
	return func() nex.WorkloadStateChanged {
		defer func() { cancel(); <-done }()
		select {
		case c := <-found:
			return c
		case <-ctx.Done():
			t.Error("the node does not say that memory ran out")
			return nex.WorkloadStateChanged{}
		}
	}
}

// processes is about who starts ever more.
func processes(t *testing.T, r *rig, _ *world) {
	r.deploy(t, r.intruder("bomb"))
	var got outcome
	r.unharmed(t, func() { got = r.attack(t, "bomb", "exhaust", "processes", "1") })
	t.Log(got.got)
	// Each has some threads.
	if n := got.got["processes"]; n < 10 || n > 200 {
		t.Errorf("there were %d processes:\n%s", n, got.all)
	}
	// From within a user namespace it is the same.
	got = r.attack(t, "bomb", "confined", "exhaust", "processes", "0")
	if n := got.got["processes"]; n < 10 || n > 200 {
		t.Errorf("in a user namespace there were %d processes:\n%s", n, got.all)
	}
}

// disk is about who writes all that he can, wherever he can.
func disk(t *testing.T, r *rig, _ *world) {
	const most = 64 << 20 // of the configuration
	id := ""
	before := r.processes(t)
	r.deploy(t, r.intruder("filler"))
	for sandbox := range r.processes(t) {
		if before[sandbox] == nil {
			id = sandbox
		}
	}
	var got outcome
	r.unharmed(t, func() { got = r.attack(t, "filler", "exhaust", "disk", "/work", "/tmp", "/dev/shm") })
	t.Log(got.got)
	if n := got.got["disk of /work"] + got.got["disk of /tmp"]; n < 32 || n > 64 {
		t.Errorf("%d MiB could be written:\n%s", n, got.all)
	}
	if n := got.got["disk of /dev/shm"]; n > 64 {
		t.Errorf("%d MiB of /dev/shm could be written:\n%s", n, got.all)
	}
	// What has no name counts as well.
	const slack = 4 << 20
	if n := r.diskOf(t, id); n < most/2 || n > most+slack {
		t.Errorf("the sandbox takes %d bytes of the host's disk", n)
	}
	temporary(t, r)
}

// temporary is about the directory for temporary files of an image, empty, missing, and elsewhere.
func temporary(t *testing.T, r *rig) {
	t.Helper()
	for name, entries := range map[string][]entry{
		"empty": {dir("tmp")}, "missing": nil, "elsewhere": {dir("var/tmp"), symlink("tmp", "/var/tmp")},
	} {
		r.deploy(t, r.image(t, name, "0:0", layerOf(t, entries...)))
		if n := r.attack(t, name, "exhaust", "disk", "/tmp").got["disk of /tmp"]; n < 32 || n > 64 {
			t.Errorf("%d MiB could be written to a /tmp that is %s", n, name)
		}
	}
}

// diskOf is what the files of a sandbox take that are open and have no name.
func (r *rig) diskOf(t *testing.T, id string) int64 {
	t.Helper()
	inodes := map[uint64]int64{}
	for _, pid := range r.processes(t)[id] {
		dir := filepath.Join("/proc", strconv.Itoa(pid), "fd")
		for _, path := range entries(t, dir) {
			target, err := os.Readlink(path)
			if err != nil || !strings.HasPrefix(target, r.up.Ready.DataDir) || !strings.HasSuffix(target, " (deleted)") {
				continue
			}
			var st unix.Stat_t
			if err := unix.Stat(path, &st); err == nil {
				inodes[st.Ino] = st.Blocks * 512
			}
		}
	}
	var sum int64
	for _, n := range inodes {
		sum += n
	}
	return sum
}

// openFiles is about who opens ever more.
func openFiles(t *testing.T, r *rig, _ *world) {
	const most = 1024 // of the configuration
	r.deploy(t, r.intruder("opener"))
	var got outcome
	r.unharmed(t, func() { got = r.attack(t, "opener", "exhaust", "files") })
	t.Log(got.got)
	for _, what := range []string{"files", "sockets", "pipes"} {
		if n := got.got[what]; n < most/2 || n > most {
			t.Errorf("%d %s could be opened:\n%s", n, what, got.all)
		}
	}
}

// processors is about who computes on all that there are.
func processors(t *testing.T, r *rig, _ *world) {
	r.deploy(t, r.intruder("burner"))
	r.unharmed(t, func() {
		if out, err := r.ask("burner", attackTimeout, "exhaust", "cpu", "2"); err != nil {
			t.Errorf("the attack: %v\n%s", err, out)
		}
	})
}
