package sandboxtest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest/plan"
)

// stagedPath finds out where files are going to be staged, by the id of the instance. The suite takes it
// that such paths differ between instances by their ids only, and inside of what is no process of this machine not
// between the directories of drivers either.
func (r *rig) stagedPath() func(id string) string {
	r.Helper()
	if r.suite.HostProcesses {
		return r.findStagedPath()
	}
	r.agents.staging.Lock()
	defer r.agents.staging.Unlock()
	if r.agents.staged == nil {
		r.agents.staged = r.findStagedPath()
	}
	return r.agents.staged
}

func (r *rig) findStagedPath() func(id string) string {
	r.Helper()
	probe := r.start(plan.Do(plan.Hang))
	path, err := probe.Stage(r.ctx(), sandbox.ForArtifact, r.agent)
	if err != nil {
		r.Fatalf("Stage: %v", err)
	}
	probe.destroy()
	return func(id string) string { return strings.ReplaceAll(path, probe.ID(), id) }
}

// startToStage starts an agent whose plan needs to know where the file is going to be staged.
func (r *rig) startToStage(steps func(path string) []plan.Step) running {
	r.Helper()
	path, id := r.stagedPath(), newID()
	return r.startPlan(id, plan.Plan{Steps: steps(path(id))})
}

func checkStageRuns(r *rig) {
	i := r.startToStage(func(path string) []plan.Step {
		return []plan.Step{plan.Text(plan.Run, path), plan.Do(plan.Hang)}
	})
	if _, err := i.Stage(r.ctx(), sandbox.ForArtifact, r.agent); err != nil {
		r.Fatalf("Stage: %v", err)
	}
	if got, want := i.say("ran"), "hello"; got != want {
		r.Errorf("the staged program says %q, want %q", got, want)
	}
	if _, err := i.Stage(r.ctx(), sandbox.ForArtifact, r.agent); err == nil {
		r.Error("Stage succeeds a second time")
	}
}

func checkStageIsPrivate(r *rig) {
	source := filepath.Join(r.TempDir(), exe("artifact"))
	copyFile(r, r.agent, source)
	before, err := os.ReadFile(source)
	if err != nil {
		r.Fatal(err)
	}
	i := r.startToStage(func(path string) []plan.Step {
		return []plan.Step{plan.Text(plan.Run, path), plan.Text(plan.Write, path), plan.Do(plan.Hang)}
	})
	path, err := i.Stage(r.ctx(), sandbox.ForArtifact, source)
	if err != nil {
		r.Fatalf("Stage: %v", err)
	}
	r.wantMode(path)
	i.say("write") // whether it succeeds depends on the user we are
	after, err := os.ReadFile(source)
	if err != nil {
		r.Fatal(err)
	}
	if string(after) != string(before) {
		r.Error("the workload has changed the file that was staged")
	}
	i.destroy()
	if _, err := os.Stat(source); err != nil {
		r.Errorf("the file that was staged: %v", err)
	}
}

// A file for another purpose does not replace the first.
func checkStageTwoFiles(r *rig) {
	i := r.startToStage(func(path string) []plan.Step {
		return []plan.Step{plan.Text(plan.Run, path), plan.Do(plan.Hang)}
	})
	second := filepath.Join(r.TempDir(), "second")
	if err := os.WriteFile(second, []byte("no program"), 0o600); err != nil {
		r.Fatal(err)
	}
	other, err := i.Stage(r.ctx(), sandbox.ForCompiled, second)
	if err != nil {
		r.Fatalf("Stage: %v", err)
	}
	path, err := i.Stage(r.ctx(), sandbox.ForArtifact, r.agent)
	if err != nil {
		r.Fatalf("Stage: %v", err)
	}
	if path == other {
		r.Errorf("both files are at %s", path)
	}
	if got, want := i.say("ran"), "hello"; got != want {
		r.Errorf("the staged program says %q, want %q", got, want)
	}
	r.wantMode(other)
	for _, p := range []sandbox.Purpose{sandbox.ForArtifact, sandbox.ForCompiled} {
		if _, err := i.Stage(r.ctx(), p, second); err == nil {
			r.Errorf("Stage succeeds a second time for %s", p)
		}
	}
}

func (r *rig) wantMode(path string) {
	r.Helper()
	if !r.suite.HostProcesses || runtime.GOOS == "windows" {
		return
	}
	info, err := os.Stat(path)
	if err != nil {
		r.Fatal(err)
	}
	if got, want := info.Mode(), os.FileMode(0o500); got != want {
		r.Errorf("mode of the staged file = %v, want %v", got, want)
	}
}

func checkStageAfterEnd(r *rig) {
	ended := r.start(plan.Number(plan.Exit, 0))
	ended.end()
	destroyed := r.start(plan.Do(plan.Hang))
	destroyed.destroy()
	for _, i := range []running{ended, destroyed} {
		if _, err := i.Stage(r.ctx(), sandbox.ForArtifact, r.agent); err == nil {
			r.Error("Stage succeeds after the end")
		}
		i.destroy()
	}
	r.wantEmpty()
}

func checkStageFails(r *rig) {
	i := r.start(plan.Do(plan.Hang))
	ctx, cancel := context.WithCancel(r.ctx())
	cancel()
	if _, err := i.Stage(ctx, sandbox.ForArtifact, r.agent); !errors.Is(err, context.Canceled) {
		r.Errorf("Stage = %v, want %v", err, context.Canceled)
	}
	if _, err := i.Stage(r.ctx(), sandbox.ForArtifact, filepath.Join(r.TempDir(), "missing")); !errors.Is(err, os.ErrNotExist) {
		r.Errorf("Stage of a missing file = %v, want %v", err, os.ErrNotExist)
	}
	if _, err := i.Stage(r.ctx(), sandbox.ForArtifact, r.TempDir()); err == nil {
		r.Error("Stage of a directory succeeds")
	}
	if _, err := i.Stage(r.ctx(), sandbox.ForArtifact, r.agent); err != nil {
		r.Errorf("Stage after it failed: %v", err)
	}
}

// A file that was copied can be run at once, also when other agents were being started meanwhile:
// what a starting child has open for a moment keeps a program from being run.
func checkStageRunsAtOnce(r *rig) {
	var waiting []running
	for range r.suite.times(4, 2) {
		waiting = append(waiting, r.startToStage(func(path string) []plan.Step {
			return []plan.Step{plan.Text(plan.Run, path), plan.Do(plan.Hang)}
		}))
	}
	var group sync.WaitGroup
	for _, i := range waiting {
		group.Go(func() {
			if _, err := i.Stage(r.ctx(), sandbox.ForArtifact, r.agent); err != nil {
				r.Errorf("Stage: %v", err)
			}
		})
	}
	for range r.suite.times(8, 2) {
		r.start(plan.Number(plan.Exit, 0))
	}
	group.Wait()
	for _, i := range waiting {
		if got, want := i.say("ran"), "hello"; got != want {
			r.Errorf("the staged program says %q, want %q", got, want)
		}
	}
}
