package escape_test

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// agentPID is the agent's in its sandbox.
const agentPID = "1"

// agent is about the workload's agent, what it knows, and the processes of the host.
func agent(t *testing.T, r *rig, _ *world) {
	r.deploy(t, r.intruder("agent"))
	victim := newVictim(t)
	attackAgent(t, r, "agent")
	r.attack(t, "agent", append([]string{"process"}, r.hostPIDs(t, victim)...)...).wantRefused(t)
	r.attack(t, "agent", "become").wantRefused(t)
	inherited, err := r.ask("agent", attackTimeout, "inherited")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(inherited) {
		if fd, what, _ := strings.Cut(strings.TrimSpace(line), " "); fd > "2" && !slices.Contains(ofRuntime, what) || strings.Contains(what, "socket") {
			t.Errorf("the workload has inherited %s from its agent", line)
		}
	}
	if victim.ended() {
		t.Error("a process of the host has ended")
	}

	onHost(t, "process", strconv.Itoa(victim.cmd.Process.Pid)).wantEscaped(t)
	_ = victim.cmd.Process.Kill() // the last of it was a hang-up, which may be ignored here
	<-victim.done
}

// ofRuntime are files that each Go program opens by itself.
var ofRuntime = []string{"anon_inode:[eventpoll]", "anon_inode:[eventfd]"}

// attackAgent attacks the agent of a workload, which must go on.
func attackAgent(t *testing.T, r *rig, name string) {
	t.Helper()
	r.attack(t, name, "process", agentPID).wantRefused(t)
	r.attack(t, name, "search").wantRefused(t)
	for id, deployed := range r.deployed {
		if m := r.workload(t, id); deployed == name && (m == nil || m.Restarts > 0 || !m.Healthy) {
			t.Errorf("the workload is %+v", m)
		}
	}
}

// hostPIDs are processes of the host by numbers that no sandbox has.
func (r *rig) hostPIDs(t *testing.T, victim *victim) []string {
	t.Helper()
	pids := []int{r.up.PID(), victim.cmd.Process.Pid}
	for _, of := range r.processes(t) {
		pids = append(pids, of...)
	}
	var list []string
	for _, pid := range pids {
		if pid > 1000 {
			list = append(list, strconv.Itoa(pid))
		}
	}
	if len(list) < 4 {
		t.Fatalf("the processes %v are too few, or have numbers that are too small", pids)
	}
	return list
}

// victim is a process of the host that anybody may attack who can.
type victim struct {
	cmd  *exec.Cmd
	done chan struct{}
}

func newVictim(t *testing.T) *victim {
	t.Helper()
	v := &victim{cmd: exec.Command(filepath.Join(binDir, "intruder"), "victim"), done: make(chan struct{})}
	if err := v.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(v.done)
		_ = v.cmd.Wait() // it never ends well
	}()
	t.Cleanup(func() {
		_ = v.cmd.Process.Kill() // it may have ended
		<-v.done
	})
	return v
}

func (v *victim) ended() bool {
	select {
	case <-v.done:
		return true
	default:
		return false
	}
}
