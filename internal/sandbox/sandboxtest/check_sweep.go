package sandboxtest

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/nex-engine/nex/internal/proctree"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest/plan"
)

// The test binary is its own node that is killed: these variables give it the directory of the
// driver's state and the agent.
const (
	ownerVariable = "NEX_SANDBOXTEST_OWNER"
	agentVariable = "NEX_SANDBOXTEST_AGENT"
)

// ownedInstances is how many instances a killed node had.
const ownedInstances = 3

// own is that node: it starts instances, prints what their agents do, and waits to be killed.
func own(s Suite) int {
	d, err := s.New(os.Getenv(ownerVariable), os.Getenv(agentVariable))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for n := range ownedInstances {
		p := plan.Plan{Steps: []plan.Step{plan.Do(plan.Deaf), plan.Do(plan.Leave), plan.Do(plan.Hang)}}
		if n == 0 { // an agent that is gone itself when Sweep comes
			p.Steps = p.Steps[:2]
		}
		log := func(line string) { fmt.Fprintln(os.Stdout, line) }
		i, err := d.Start(context.Background(), sandbox.Spec{ID: newID(), Bootstrap: p.Encode(), Log: log})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		if n == 0 {
			<-i.Done()
		}
	}
	select {}
}

func checkSweepRemovesLeftovers(r *rig) {
	sweeper, ok := r.driver.(sandbox.Sweeper)
	if !ok {
		r.Skip("sandboxes of this driver end with the node")
	}
	foreign := filepath.Join(r.dir, "not-a-sandbox", "file")
	if err := os.MkdirAll(filepath.Dir(foreign), 0o700); err != nil {
		r.Fatal(err)
	}
	if err := os.WriteFile(foreign, nil, 0o600); err != nil {
		r.Fatal(err)
	}
	left := r.killOwner()

	// Somebody else's agent, under another directory.
	other := newRigLike(r)
	bystander := other.start(plan.Do(plan.Leave), plan.Do(plan.Hang))
	daemon, agent := bystander.process("daemon"), bystander.process("pid")

	if !slices.ContainsFunc(left, proctree.Identity.Running) && len(r.traces()) == 0 {
		r.Fatal("nothing is left of the killed node; there is nothing to test")
	}
	n, err := sweeper.Sweep(r.ctx())
	if err != nil {
		r.Errorf("Sweep: %v", err)
	}
	if n != ownedInstances {
		r.Errorf("Sweep removed %d sandboxes, want %d", n, ownedInstances)
	}
	for _, id := range left {
		r.wantGone(id, "a process of the killed node")
	}
	if _, err := os.Stat(foreign); err != nil {
		r.Errorf("a file that is not the driver's: %v", err)
	}
	if names := r.entries(); len(names) != 1 {
		r.Errorf("the directory has %q, want only what is not the driver's", names)
	}
	for _, what := range r.traces() {
		r.Errorf("left: %s", what)
	}
	if r.suite.HostProcesses && (!daemon.Running() || !agent.Running()) || isClosed(bystander.Done()) {
		r.Error("Sweep has ended an agent of another node")
	}
	if n, err := sweeper.Sweep(r.ctx()); n != 0 || err != nil {
		r.Errorf("a second Sweep = %d, %v, want 0, nil", n, err)
	}
	r.start(plan.Do(plan.Hang)).say("hang") // the driver works
}

// killOwner runs a node and kills it. It returns the processes inside its sandboxes.
func (r *rig) killOwner() []proctree.Identity {
	r.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), ownerVariable+"="+r.dir, agentVariable+"="+r.agent)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		r.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		r.Fatal(err)
	}
	var inside []proctree.Identity
	var agent proctree.Identity
	hanging := 0
	for s := bufio.NewScanner(out); hanging < ownedInstances-1 && s.Scan(); {
		word, value, _ := strings.Cut(s.Text(), " ")
		switch word {
		case "daemon", "pid":
			// The first instance has ended by now, and its daemon with it.
			id, err := proctree.Identify(pidOf(r, strings.Trim(value, `"`)))
			if err != nil || !r.suite.HostProcesses {
				continue
			}
			inside = append(inside, id)
			if word == "pid" {
				agent = id
			}
		case "hang":
			hanging++
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if hanging != ownedInstances-1 {
		r.Fatalf("the node started %d agents that stay, want %d", hanging, ownedInstances-1)
	}
	r.killAgent(agent)
	return inside
}

// killAgent kills one of the agents that the node has left, so that what it started has nobody any
// more.
func (r *rig) killAgent(agent proctree.Identity) {
	r.Helper()
	if !r.suite.HostProcesses || runtime.GOOS == "windows" {
		return
	}
	p, err := os.FindProcess(agent.PID)
	if err != nil {
		r.Fatal(err)
	}
	defer p.Release()
	if !agent.Running() {
		r.Fatal("the agent did not outlive its node")
	}
	if err := p.Kill(); err != nil {
		r.Fatal(err)
	}
	for end := time.Now().Add(patience); agent.Running(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			r.Fatal("the agent does not end")
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func checkSweepOfNothing(r *rig) {
	sweeper, ok := r.driver.(sandbox.Sweeper)
	if !ok {
		r.Skip("sandboxes of this driver end with the node")
	}
	if n, err := sweeper.Sweep(r.ctx()); n != 0 || err != nil {
		r.Errorf("Sweep = %d, %v, want 0, nil", n, err)
	}
}

// newRigLike is another node on the same machine.
func newRigLike(r *rig) *rig {
	r.Helper()
	other := *r
	other.dir = filepath.Join(r.TempDir(), "other")
	other.driver = other.newDriver(r.agent)
	return &other
}

// process identifies a process of a host-process suite; of others it returns the zero value.
func (r *rig) process(pid string) proctree.Identity {
	r.Helper()
	if !r.suite.HostProcesses {
		return proctree.Identity{}
	}
	id, err := proctree.Identify(pidOf(r, pid))
	if err != nil && runtime.GOOS != "windows" {
		r.Fatalf("identify process %s: %v", pid, err)
	}
	return id
}

func pidOf(r *rig, text string) int {
	r.Helper()
	var pid int
	if _, err := fmt.Sscan(text, &pid); err != nil {
		r.Fatalf("%q is no process id", text)
	}
	return pid
}
