package sandboxtest

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/proctree"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest/plan"
	"github.com/nex-engine/nex/internal/sandboxdir"
)

// daemons are the processes that agents have said to have left, of a host-process suite.
func (n *node) daemons(r *rig) []proctree.Identity {
	r.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []proctree.Identity
	for _, log := range n.logs {
		for _, pid := range log.values("daemon") {
			all = append(all, r.process(pid))
		}
	}
	return all
}

// leaveFamily is leaveOne for a deaf agent that has left processes without parents, in these ways.
func (r *rig) leaveFamily(ways ...string) (*survivor, []proctree.Identity) {
	r.Helper()
	steps := []plan.Step{plan.Do(plan.Deaf)}
	for _, w := range ways {
		steps = append(steps, plan.Text(plan.Leave, w))
	}
	n, all := r.leave(1, order{Plan: plan.Plan{Steps: steps}})
	s, log := all[0], n.log(all[0].id)
	processes := []proctree.Identity{s.process}
	for range ways {
		pid, ok := log.await("daemon", nil, patience)
		if !ok {
			r.Fatalf("the agent does not say what it has left, but %q", log.tail())
		}
		processes = append(processes, r.process(pid))
	}
	n.kill()
	return s, processes
}

// An adopted agent that ends takes all of its sandbox with it, and is seen to end.
func checkAdoptedDies(r *rig) {
	s, family := r.leaveFamily("", "")
	i := s.adopt()
	s.order(plan.Do(plan.Die))
	i.wantExit(nex.Exit{Code: -1, Signal: killSignal})
	for _, p := range family {
		r.wantGone(p, "a process of the sandbox")
	}
	if _, err := i.Stage(r.ctx(), sandbox.ForArtifact, r.agent); err == nil {
		r.Error("Stage succeeds after the end")
	}
	i.destroy()
	r.wantEmpty()
}

// killSignal is the signal of agents that are killed.
const killSignal = "SIGKILL"

func checkAdoptedIsDestroyed(r *rig) {
	s, family := r.leaveFamily("", plan.Bare)
	i := s.adopt()
	i.destroy()
	for _, p := range family {
		r.wantGone(p, "a process of the sandbox")
	}
	if !isClosed(i.Done()) {
		r.Error("Destroy has returned, but Done is not closed")
	}
	if exit := i.Exit(); exit.Success() || exit.OOM {
		r.Errorf("exit = %+v, want that it was killed, or that it is not known", exit)
	}
	r.wantEmpty()
	r.startPlan(s.id, plan.Plan{Steps: []plan.Step{plan.Do(plan.Hang)}}).say("hang") // the id is free again
}

// The bounds of an adopted sandbox hold, and can be changed, as they could before.
func checkAdoptedIsBounded(r *rig) {
	r.adopter()
	have := r.driver.Capabilities().Limits
	var limits sandbox.Limits
	if have.OpenFiles {
		limits.OpenFiles = 500
	}
	const few = 60
	if have.PIDs {
		limits.PIDs = few
	}
	s := r.leaveBounded(limits)
	i := s.adopt()
	other := limits
	other.OpenFiles += 100
	if err := i.Configure(r.ctx(), sandbox.Settings{Limits: other}); err == nil {
		r.Error("Configure changes the limit of open files")
	}
	if err := i.Configure(r.ctx(), sandbox.Settings{Limits: limits}); err != nil {
		r.Errorf("Configure with the same settings: %v", err)
	}
	if !have.PIDs {
		return
	}
	s.do(plan.Number(plan.Breed, 2*few))
	if got := i.number("bred"); got < 1 || got > few {
		r.Errorf("the agent had %d processes, want up to %d", got, few)
	}
	limits.PIDs = 100 * few
	if err := i.Configure(r.ctx(), sandbox.Settings{Limits: limits}); err != nil {
		r.Fatalf("Configure: %v", err)
	}
	s.do(plan.Number(plan.Breed, 2*few))
	if got, want := i.number("bred"), 2*few; got != want {
		r.Errorf("the agent had %d processes, want %d", got, want)
	}
}

func checkAdoptedLacksMemory(r *rig) {
	r.adopter()
	if !r.driver.Capabilities().Limits.Memory {
		return
	}
	s := r.leaveBounded(sandbox.Limits{MemoryBytes: 128 << 20})
	i := s.adopt()
	s.do(plan.Number(plan.Eat, 16))
	s.order(plan.Number(plan.Eat, 1<<20))
	if exit := i.end(); !exit.OOM {
		r.Errorf("exit = %+v, want OOM", exit)
	}
}

// What the earlier node has staged is staged; what it has not can be.
func checkAdoptedStages(r *rig) {
	r.adopter()
	path := r.stagedPath()
	n, all := r.leave(1, order{Stage: r.agent})
	n.kill()
	s := all[0]
	i := s.adopt()
	if _, err := i.Stage(r.ctx(), sandbox.ForArtifact, r.agent); err == nil {
		r.Error("Stage succeeds a second time")
	}
	second := filepath.Join(r.TempDir(), "second")
	if err := os.WriteFile(second, []byte("compiled"), 0o600); err != nil {
		r.Fatal(err)
	}
	other, err := i.Stage(r.ctx(), sandbox.ForCompiled, second)
	if err != nil {
		r.Fatalf("Stage: %v", err)
	}
	s.do(plan.Text(plan.Run, path(s.id)))
	if got, want := i.say("ran"), "hello"; got != want {
		r.Errorf("the staged program says %q, want %q", got, want)
	}
	s.do(plan.Text(plan.Read, other))
	if got, want := i.say("read"), "compiled"; got != want {
		r.Errorf("the staged file has %q, want %q", got, want)
	}
	r.wantMode(other)
}

// An agent that nobody listens to does not hang, however much it has to say, and is heard again afterwards.
func checkLeftNeverHangs(r *rig) {
	const many = 5000 // lines of 100 bytes
	n, all := r.leave(1, order{})
	s := all[0]
	first, flood := plan.Text(plan.Say, "first"), plan.Number(plan.Flood, many)
	s.later(first)
	s.later(flood)
	n.kill()
	s.meanwhile(first)
	s.meanwhile(flood)
	i := s.adopt()
	if got, want := i.say("said"), "first"; got != want {
		r.Errorf("the agent has said %q, want %q", got, want)
	}
	// What was kept is handed on before the next line.
	s.do(plan.Text(plan.Say, "last"))
	if got, want := i.say("said"), "last"; got != want {
		r.Errorf("the agent has said %q, want %q", got, want)
	}
	kept := 0
	for _, l := range i.log.all() {
		if strings.HasPrefix(l, "y") {
			kept++
		}
	}
	// Where the agent is not to be heard of meanwhile, it may still be at it.
	if kept == 0 || kept == many && !r.suite.LinkByNode {
		r.Errorf("%d lines were kept, want some, but not all of %d", kept, many)
	}
}

// What a driver has kept of a sandbox and cannot use any more keeps it from being adopted, and from nothing else.
func checkAdoptDamaged(r *rig) {
	adopter := r.adopter()
	damages := []struct {
		name   string
		change func(s *survivor, record []byte) []byte
		gone   bool // it is another process that the record means
	}{
		{"it is empty", func(*survivor, []byte) []byte { return nil }, false},
		{"it is cut", func(_ *survivor, b []byte) []byte { return b[:len(b)/2] }, false},
		{"it is of another version", func(_ *survivor, b []byte) []byte {
			return bytes.Replace(b, []byte(`"version":`), []byte(`"version":9`), 1)
		}, false},
		{"it is of another sandbox", func(s *survivor, b []byte) []byte {
			return bytes.ReplaceAll(b, []byte(s.id), []byte("somebody"))
		}, false},
		{"its process was started at another time", func(_ *survivor, b []byte) []byte {
			return bytes.ReplaceAll(b, []byte(`"start_time":`), []byte(`"start_time":1`))
		}, true},
		{"its process is of another run of the machine", func(_ *survivor, b []byte) []byte {
			return bytes.ReplaceAll(b, []byte(`"boot_id":"`), []byte(`"boot_id":"0`))
		}, true},
	}
	n, all := r.leave(len(damages), order{})
	n.kill()
	for n, d := range damages {
		s := all[n]
		file := sandboxdir.RecordFile(filepath.Join(r.dir, s.id))
		b, err := os.ReadFile(file)
		if err != nil {
			r.Fatal(err)
		}
		if err := os.WriteFile(file, d.change(s, b), 0o600); err != nil {
			r.Fatal(err)
		}
		_, err = adopter.Adopt(r.ctx(), s.id, nil)
		if err == nil || d.gone != errors.Is(err, sandbox.ErrGone) {
			r.Errorf("%s: Adopt = %v, want an error, that it is gone: %v", d.name, err, d.gone)
		}
		s.meanwhile(plan.Text(plan.Say, "still there")) // nothing has happened to it
		if s.r.suite.LinkByNode && !r.named(filepath.Join(r.dir, s.id)) {
			r.Errorf("%s: nothing of the sandbox runs any more", d.name)
		}
	}
	if n, err := adopter.Sweep(r.ctx()); n != len(damages) || err != nil {
		r.Errorf("Sweep = %d, %v, want %d, nil", n, err, len(damages))
	}
	for _, s := range all {
		r.wantGone(s.process, "the agent of a sandbox that could not be adopted")
	}
	r.wantEmpty()
}

// checkAdoptLeaksNothing runs alone: it counts goroutines and open files of the test itself.
func checkAdoptLeaksNothing(r *rig) {
	r.adopter()
	round := func() {
		s := r.leaveOne()
		i := s.adopt()
		s.do(plan.Text(plan.Say, strconv.Itoa(s.hello.PID)))
		i.say("said")
		i.destroy()
		s.hangUp()
	}
	round() // the first use of things may keep some of them open
	files, goroutines := openFiles(), runtime.NumGoroutine()
	for range r.suite.times(3, 1) {
		round()
	}
	for end := time.Now().Add(patience); runtime.NumGoroutine() > goroutines && time.Now().Before(end); {
		runtime.Gosched()
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		buf := make([]byte, 1<<16)
		r.Errorf("%d goroutines, %d before:\n%s", n, goroutines, buf[:runtime.Stack(buf, true)])
	}
	if n := openFiles(); n > files {
		r.Errorf("%d open files, %d before", n, files)
	}
	r.wantEmpty()
}
