package sandboxtest

import (
	"strconv"

	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest/plan"
)

// startLimited starts an agent in a sandbox with limits.
func (r *rig) startLimited(l sandbox.Limits, steps ...plan.Step) running {
	r.Helper()
	return r.startSpec(sandbox.Spec{Settings: sandbox.Settings{Limits: l}}, plan.Plan{Steps: steps})
}

// number waits for a number that the agent says.
func (i running) number(word string) int {
	i.r.Helper()
	n, err := strconv.Atoi(i.say(word))
	if err != nil {
		i.r.Fatal(err)
	}
	return n
}

// within checks that a limit let the agent have some, but no more than it says.
func (r *rig) within(what string, got, limit int) {
	r.Helper()
	if got < limit/2 || got > limit {
		r.Errorf("%s: the agent had %d, want up to %d", what, got, limit)
	}
}

func checkOpenFilesAreLimited(r *rig) {
	if !r.driver.Capabilities().Limits.OpenFiles {
		return
	}
	i := r.startLimited(sandbox.Limits{OpenFiles: 100}, plan.Number(plan.Hoard, 1000), plan.Do(plan.Hang))
	r.within("open files", i.number("hoarded"), 100)
}

func checkDiskIsLimited(r *rig) {
	if !r.driver.Capabilities().Limits.Disk {
		return
	}
	i := r.startLimited(sandbox.Limits{DiskBytes: 16 << 20}, plan.Number(plan.Fill, 64), plan.Number(plan.Fill, 64), plan.Do(plan.Hang))
	r.within("MiB of disk", i.number("filled"), 16)
	r.within("MiB of disk, once more", i.number("filled"), 16)
}

// Processes are limited from the start, and as Configure says after that.
func checkPIDsAreLimited(r *rig) {
	if !r.driver.Capabilities().Limits.PIDs {
		return
	}
	path := r.stagedPath()
	const few = 60
	id := newID()
	i := r.startSpec(
		sandbox.Spec{ID: id, Settings: sandbox.Settings{Limits: sandbox.Limits{PIDs: few}}},
		plan.Plan{Steps: []plan.Step{
			plan.Number(plan.Breed, 2*few), plan.Text(plan.Await, path(id)), plan.Number(plan.Breed, 2*few), plan.Do(plan.Hang),
		}})
	if got := i.number("bred"); got < 1 || got > few {
		r.Errorf("the agent had %d processes, want up to %d", got, few)
	}
	if err := i.Configure(r.ctx(), sandbox.Settings{Limits: sandbox.Limits{PIDs: 100 * few}}); err != nil {
		r.Fatalf("Configure: %v", err)
	}
	if _, err := i.Stage(r.ctx(), sandbox.ForArtifact, r.agent); err != nil {
		r.Fatalf("Stage: %v", err)
	}
	if got, want := i.number("bred"), 2*few; got != want {
		r.Errorf("the agent had %d processes, want %d", got, want)
	}
}

func checkMemoryIsLimited(r *rig) {
	if !r.driver.Capabilities().Limits.Memory {
		return
	}
	neighbour := r.start(plan.Number(plan.Eat, 8), plan.Do(plan.Hang))
	neighbour.say("hang")
	i := r.startLimited(sandbox.Limits{MemoryBytes: 128 << 20}, plan.Number(plan.Eat, 16), plan.Number(plan.Eat, 1<<20))
	i.say("ate")
	if exit := i.end(); !exit.OOM {
		r.Errorf("exit = %+v, want OOM", exit)
	}
	select {
	case <-neighbour.Done():
		r.Error("a neighbour has ended, too")
	default:
	}
}

// Configure takes what it can hold, and all of it or nothing.
func checkConfigure(r *rig) {
	limits := sandbox.Limits{}
	if have := r.driver.Capabilities().Limits; have.OpenFiles {
		limits.OpenFiles = 500
	}
	i := r.startLimited(limits, plan.Do(plan.Hang))
	same := sandbox.Settings{Limits: limits}
	if err := i.Configure(r.ctx(), same); err != nil {
		r.Errorf("Configure with the same settings: %v", err)
	}
	for name, l := range map[string]sandbox.Limits{
		"disk":       {OpenFiles: limits.OpenFiles, DiskBytes: 1 << 30},
		"open files": {OpenFiles: limits.OpenFiles + 100},
	} {
		if err := i.Configure(r.ctx(), sandbox.Settings{Limits: l}); err == nil {
			r.Errorf("Configure changes the limit of %s", name)
		}
	}
	if err := i.Configure(r.ctx(), same); err != nil {
		r.Errorf("Configure with the same settings: %v", err)
	}
	i.say("hang")
}

// A limit that the driver says it does not enforce is refused, not ignored.
func checkLimitsAreRefused(r *rig) {
	have := r.driver.Capabilities().Limits
	for _, c := range []struct {
		name   string
		holds  bool
		limits sandbox.Limits
	}{
		{"memory", have.Memory, sandbox.Limits{MemoryBytes: 1 << 30}},
		{"CPU", have.CPUs, sandbox.Limits{CPUs: 1}},
		{"PIDs", have.PIDs, sandbox.Limits{PIDs: 1000}},
		{"open files", have.OpenFiles, sandbox.Limits{OpenFiles: 1000}},
		{"disk", have.Disk, sandbox.Limits{DiskBytes: 1 << 30}},
		{"bandwidth", have.Bandwidth, sandbox.Limits{Bandwidth: &sandbox.Rate{Size: 1 << 30, Refill: patience}}},
		{"operations", have.IOPS, sandbox.Limits{IOPS: &sandbox.Rate{Size: 1 << 20, Refill: patience}}},
	} {
		if c.holds {
			continue
		}
		if have.Missing == "" {
			r.Errorf("the limit of %s does not hold, and the driver does not say why", c.name)
		}
		i, err := r.driver.Start(r.ctx(), sandbox.Spec{ID: newID(), Bootstrap: plan.Plan{}.Encode(), Settings: sandbox.Settings{Limits: c.limits}})
		if err == nil {
			r.Errorf("Start with a limit of %s that does not hold succeeds", c.name)
			_ = i.Destroy(r.ctx())
		}
	}
	r.wantEmpty()
}
