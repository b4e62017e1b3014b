package sandboxtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/proctree"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest/plan"
)

// patience is how long anything may take on a machine that is busy. A test that succeeds does not
// wait for it.
const patience = 60 * time.Second

// rig is what one check works with.
type rig struct {
	*testing.T
	suite  Suite
	dir    string // of the driver's state
	agent  string
	driver sandbox.Driver
	agents *agents
}

func newRig(t *testing.T, s Suite, a *agents) *rig {
	t.Helper()
	r := &rig{T: t, suite: s, dir: filepath.Join(t.TempDir(), "state"), agents: a}
	r.agent = a.path(t, runtime.GOOS, runtime.GOARCH)
	r.driver = r.newDriver(r.agent)
	// What runs inside may be another system than this one.
	if c := r.driver.Capabilities(); c.OS != runtime.GOOS || c.Arch != runtime.GOARCH {
		r.agent = a.path(t, c.OS, c.Arch)
		r.driver = r.newDriver(r.agent)
	}
	return r
}

func (r *rig) newDriver(agent string) sandbox.Driver {
	r.Helper()
	d, err := r.suite.New(r.dir, agent)
	if err != nil {
		r.Fatalf("make driver: %v", err)
	}
	if c, ok := d.(io.Closer); ok {
		r.Cleanup(func() {
			if err := c.Close(); err != nil {
				r.Errorf("close what the driver needs: %v", err)
			}
		})
	}
	return d
}

// newID is an id as a node makes them: agents of tests that run at the same time must not meet.
func newID() string { return strings.ToLower(rand.Text())[:20] }

// running is an instance with what its agent prints.
type running struct {
	sandbox.Instance
	r   *rig
	log *recorder
}

// start starts an agent that carries out the steps, and destroys it when the test ends.
func (r *rig) start(steps ...plan.Step) running {
	r.Helper()
	return r.startPlan(newID(), plan.Plan{Steps: steps})
}

func (r *rig) startPlan(id string, p plan.Plan) running {
	r.Helper()
	return r.startSpec(sandbox.Spec{ID: id}, p)
}

// startLinked starts an agent with a directory for its link.
func (r *rig) startLinked(dir string, steps ...plan.Step) running {
	r.Helper()
	return r.startSpec(sandbox.Spec{LinkDir: dir}, plan.Plan{Steps: steps})
}

// startSpec starts an agent as the spec says, which may leave out the id.
func (r *rig) startSpec(s sandbox.Spec, p plan.Plan) running {
	r.Helper()
	log := newRecorder()
	if s.ID == "" {
		s.ID = newID()
	}
	s.Bootstrap, s.Log = p.Encode(), log.add
	i, err := r.driver.Start(r.ctx(), s)
	if err != nil {
		r.Fatalf("Start: %v", err)
	}
	r.Cleanup(func() {
		if err := i.Destroy(r.ctx()); err != nil {
			r.Errorf("Destroy: %v", err)
		}
		if r.Failed() {
			r.Logf("agent %s printed %q", s.ID, log.tail())
		}
	})
	return running{i, r, log}
}

// ctx bounds a call; unlike the test's own context it can also be used while the test cleans up.
func (r *rig) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	r.Cleanup(cancel)
	return ctx
}

// say waits for a line that the agent prints: a word and a quoted value, which it returns.
func (i running) say(word string) string {
	i.r.Helper()
	v, ok := i.log.await(word, i.Done(), patience)
	if !ok {
		i.r.Fatalf("the agent did not say %s but %q", word, i.log.tail())
	}
	return v
}

// end waits until the instance is done and returns how it ended.
func (i running) end() nex.Exit {
	i.r.Helper()
	select {
	case <-i.Done():
	case <-time.After(patience):
		i.r.Fatal("the instance does not end")
	}
	return i.Exit()
}

func (i running) destroy() {
	i.r.Helper()
	if err := i.Destroy(i.r.ctx()); err != nil {
		i.r.Errorf("Destroy: %v", err)
	}
}

// process identifies a process inside by the number that it said.
func (i running) process(word string) proctree.Identity {
	i.r.Helper()
	return i.r.process(i.say(word))
}

// wantEmpty checks that nothing is left in the directory of the driver's state, and no process or mount
// on this machine that has to do with it.
func (r *rig) wantEmpty() {
	r.Helper()
	for _, name := range r.entries() {
		r.Errorf("%s is left in the driver's directory", name)
	}
	for _, what := range r.traces() {
		r.Errorf("left: %s", what)
	}
}

// entries are the names in the directory of the driver's state, but for what it keeps.
func (r *rig) entries() []string {
	r.Helper()
	entries, err := os.ReadDir(r.dir)
	if err != nil && !os.IsNotExist(err) {
		r.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if kept, err := filepath.Match(r.suite.Keeps, e.Name()); err != nil {
			r.Fatal(err)
		} else if !kept {
			names = append(names, e.Name())
		}
	}
	return names
}

// traces are the processes and mounts of this machine that name the directory of the driver's state.
func (r *rig) traces() []string {
	var found []string
	names, _ := filepath.Glob("/proc/[0-9]*/cmdline") // none where there is no such thing
	for _, name := range names {
		// A process that is gone by now is none that is left.
		if b, err := os.ReadFile(name); err == nil && strings.Contains(string(b), r.dir) {
			found = append(found, fmt.Sprintf("%s: %.200q", name, b))
		}
	}
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, r.dir) {
			found = append(found, line)
		}
	}
	return found
}

func (r *rig) wantGone(id proctree.Identity, what string) {
	r.Helper()
	if id.PID != 0 && id.Running() {
		r.Errorf("%s (process %d) is still running", what, id.PID)
	}
}
