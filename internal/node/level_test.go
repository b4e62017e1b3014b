package node_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/keyfile"
	"github.com/nex-engine/nex/internal/natstest"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/node"
	"github.com/nex-engine/nex/internal/proctree"
	"github.com/nex-engine/nex/internal/sandboxdir"
	"github.com/nex-engine/nex/internal/state"
)

// A node that is asked for another level ends what runs in the machines of the one before, and removes what they
// were made of.
func TestOtherLevelIsRemoved(t *testing.T) {
	t.Parallel()
	r := start(t)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	machines := filepath.Join(r.dir, "sandbox", "microvm")
	for _, dir := range []string{"snapshot-0-1-2", "image-0", "agent1"} {
		if err := os.MkdirAll(filepath.Join(machines, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(machines, "initrd.img"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	machine := r.leave("w1", nex.SandboxMicroVM)
	r.run()
	if err := r.stop(); err != nil { // which has swept then
		t.Fatal(err)
	}
	machine.runs(false)
	if _, err := os.Stat(machines); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is left: %v", machines, err)
	}
}

// While workloads run at a level that is not to be had for the moment, because a file is missing, the node does not
// start at another and end them; when they have ended, or were forgotten, it goes on as if there had been none.
func TestLevelOfRunningWorkloadsIsKept(t *testing.T) {
	t.Parallel()
	for level, missing := range map[nex.SandboxLevel]string{
		nex.SandboxMicroVM: "there is no kernel /nowhere/vmlinux: ",
		nex.SandboxGVisor:  "runsc was not found in ",
	} {
		t.Run(string(level), func(t *testing.T) {
			t.Parallel()
			r := start(t)
			if err := r.stop(); err != nil {
				t.Fatal(err)
			}
			r.settings.KernelFilepath = "/nowhere/vmlinux"
			sandboxed := r.settings
			sandboxed.NoSandbox = false
			const none = "no sandbox works on this machine, "
			left := r.leave("w1", level)
			kept := r.refusesToStart(sandboxed)
			for _, text := range []string{"sandboxes of level " + string(level) + " (1 of them), which is not to be had now: " + missing, "nex node state rm"} {
				if !strings.Contains(kept, text) {
					t.Errorf("the node does not start: %s; want %q", kept, text)
				}
			}
			left.runs(true)

			r.forget("w1")
			if got := r.refusesToStart(sandboxed); !strings.HasPrefix(got, none) {
				t.Errorf("with the workload forgotten: %s, want %q", got, none)
			}
			r.record("w1", level)
			left.end()
			if got := r.refusesToStart(sandboxed); !strings.HasPrefix(got, none) {
				t.Errorf("with the workload ended: %s, want %q", got, none)
			}
		})
	}
}

// sandboxed is a workload that an earlier process of a node has left in a sandbox of a level: as far as the node
// can see, which has a record of each, and a process.
type sandboxed struct {
	r    *rig
	home string
	cmd  *exec.Cmd
	done chan struct{}
}

func (r *rig) leave(id string, level nex.SandboxLevel) *sandboxed {
	r.Helper()
	r.record(id, level)
	s := &sandboxed{r: r, home: filepath.Join(r.dir, "sandbox", string(level), "agent"+id), done: make(chan struct{})}
	s.cmd = exec.Command(filepath.Join(binDir, "testprog"), "wait")
	if err := s.cmd.Start(); err != nil {
		r.Fatal(err)
	}
	go func() {
		defer close(s.done)
		_ = s.cmd.Wait() // it is killed
	}()
	r.Cleanup(s.end)
	process, err := proctree.Identify(s.cmd.Process.Pid)
	if err == nil {
		err = os.MkdirAll(s.home, 0o700)
	}
	if err == nil {
		err = sandboxdir.WriteRecord(s.home, sandboxdir.Record{Process: process})
	}
	if err != nil {
		r.Fatal(err)
	}
	return s
}

func (s *sandboxed) end() {
	_ = s.cmd.Process.Kill() // it may have ended already
	<-s.done
}

// runs checks whether its process runs, which it does until it is ended.
func (s *sandboxed) runs(want bool) {
	s.r.Helper()
	if want {
		select {
		case <-s.done:
			s.r.Error("what ran in a sandbox has ended")
		default:
		}
		return
	}
	select {
	case <-s.done:
	case <-time.After(nextest.Patience):
		s.r.Error("what ran in a sandbox of another level runs on")
	}
}

// store opens the records of the node, which is down.
func (r *rig) store() *state.Store {
	r.Helper()
	key, _, err := keyfile.LoadOrCreate(filepath.Join(r.dir, "node.nk"), keyfile.Server)
	if err != nil {
		r.Fatal(err)
	}
	seed, err := key.Seed()
	if err != nil {
		r.Fatal(err)
	}
	s, err := state.Open(state.Config{Dir: state.Dir(r.dir), Key: state.Key(seed), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		r.Fatal(err)
	}
	return s
}

func (r *rig) record(id string, level nex.SandboxLevel) {
	r.Helper()
	err := r.store().Put(state.Record{
		ID: id, Name: id, Namespace: "default", Type: nex.TypeNative, Restart: nex.RestartNever, State: nex.StateRunning,
		AgentID: "agent" + id, Sandbox: level, Spec: []byte("{}"),
	}, true)
	if err != nil {
		r.Fatal(err)
	}
}

func (r *rig) forget(id string) {
	r.Helper()
	if err := r.store().Delete(id); err != nil {
		r.Fatal(err)
	}
}

// refusesToStart returns why the node does not start with the settings.
func (r *rig) refusesToStart(settings config.Config) string {
	r.Helper()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	err := node.Run(ctx, node.Config{
		Settings: settings, DataDir: r.dir, Control: natstest.Connect(r.TB, r.server),
		Logger: slog.New(slog.NewTextHandler(r.log, nil)), Ready: func(node.Facts) { cancel() },
	})
	if err == nil {
		r.Fatal("the node has started")
	}
	return err.Error()
}
