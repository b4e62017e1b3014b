package node_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/nextest"
)

const (
	patience      = nextest.Patience
	reconnectWait = 20 * time.Millisecond
)

func newReader(b []byte) io.ReadSeeker { return bytes.NewReader(b) }

// info asks the node about itself and the workloads in the default namespace.
func (r *rig) info() nex.InfoResponse {
	r.Helper()
	info, err := r.client.Info(r.Context(), r.node.NodeID)
	if err != nil {
		r.Fatalf("node info: %v", err)
	}
	return info
}

// workload returns what the node says of a workload.
func (r *rig) workload(id string) (nex.MachineInfo, bool) {
	r.Helper()
	machines := r.info().Machines
	i := slices.IndexFunc(machines, func(m nex.MachineInfo) bool { return m.ID == id })
	if i < 0 {
		return nex.MachineInfo{}, false
	}
	return machines[i], true
}

// await waits until the node says something of a workload.
func (r *rig) await(id, what string, says func(nex.MachineInfo) bool) nex.MachineInfo {
	r.Helper()
	var m nex.MachineInfo
	nextest.Await(r, what, func() bool {
		var there bool
		m, there = r.workload(id)
		return there && says(m)
	})
	return m
}

// awaitState waits until a workload is in a state.
func (r *rig) awaitState(id string, state nex.State) nex.MachineInfo {
	r.Helper()
	return r.await(id, "the workload is "+string(state), func(m nex.MachineInfo) bool { return m.State == state })
}

// lines returns the log that the node keeps of a workload.
func (r *rig) lines(id string) []string {
	r.Helper()
	kept, err := r.client.Logs(r.Context(), r.node.NodeID, nex.LogsRequest{Workload: id})
	if err != nil {
		r.Fatalf("logs: %v", err)
	}
	lines := make([]string, len(kept))
	for i, l := range kept {
		lines[i] = l.Text
	}
	return lines
}

// awaitLine waits until a workload has written a line with the text.
func (r *rig) awaitLine(id, text string) {
	r.Helper()
	nextest.Await(r, fmt.Sprintf("the workload writes %q", text), func() bool {
		return slices.ContainsFunc(r.lines(id), func(l string) bool { return strings.Contains(l, text) })
	})
}

// agent is an agent as the node has noted it on disk.
type agent struct {
	id   string
	pid  int
	busy bool // has a program in its sandbox
}

// agents are those that run, and those whose sandbox was left behind.
func (r *rig) agents() []agent {
	r.Helper()
	homes, err := filepath.Glob(filepath.Join(r.dir, "sandbox", "process", "*"))
	if err != nil {
		r.Fatal(err)
	}
	agents := make([]agent, len(homes))
	for i, home := range homes {
		agents[i].id = filepath.Base(home)
		var record struct {
			Process struct{ PID int }
		}
		if b, err := os.ReadFile(filepath.Join(home, "instance.json")); err == nil && json.Unmarshal(b, &record) == nil {
			agents[i].pid = record.Process.PID // else it is about to start, or to go
		}
		_, err := os.Stat(filepath.Join(home, "artifact"))
		agents[i].busy = err == nil
	}
	return agents
}

// busyAgent is the agent of the only workload.
func (r *rig) busyAgent() agent {
	r.Helper()
	agents := r.agents()
	i := slices.IndexFunc(agents, func(a agent) bool { return a.busy })
	if i < 0 {
		r.Fatalf("agents = %+v, want one with a program", agents)
	}
	return agents[i]
}

// clean waits until nothing is left of any workload: the node has its pool, each agent an empty
// sandbox, and the cache no part of an artifact.
func (r *rig) clean() {
	r.Helper()
	var left string
	if !nextest.Poll(func() bool { left = r.left(); return left == "" }) {
		r.Fatalf("something is left behind: %s", left)
	}
}

// left says what is too much, or too little, besides the neighbours.
func (r *rig) left() string {
	r.Helper()
	info, agents := r.info(), r.agents()
	partial, err := filepath.Glob(filepath.Join(r.dir, "artifacts", "partial-*"))
	if err != nil {
		r.Fatal(err)
	}
	running := slices.DeleteFunc(info.Machines, func(m nex.MachineInfo) bool { return m.State.Ended() })
	idle := slices.DeleteFunc(slices.Clone(agents), func(a agent) bool { return a.busy })
	switch pool := r.settings.MachinePoolSize; {
	case len(running) != r.neighbours:
		return fmt.Sprintf("workloads %+v, want %d neighbours", running, r.neighbours)
	case len(agents) != pool+r.neighbours, info.AvailableAgents != pool, len(idle) != pool:
		return fmt.Sprintf("agents %+v, of them idle %d, want %d", agents, info.AvailableAgents, pool)
	case len(partial) > 0:
		return fmt.Sprintf("files %q", partial)
	}
	return ""
}

// unharmed proves that the node is well: nothing is left behind, a service can be deployed, answers,
// and is gone when it is stopped.
func (r *rig) unharmed() {
	r.Helper()
	r.clean()
	d := r.program("echoservice", "echoservice")
	id := r.deploy(d)
	r.awaitLine(id, "Starting echo service")
	reply, err := r.nc.Request("svc.echo", []byte("hey"), patience)
	if err != nil || string(reply.Data) != "hey" {
		r.Fatalf("svc.echo = %v, %v, want hey", reply, err)
	}
	r.undeploy(d, id)
	r.clean()
}

// unique makes an argument by which the processes of one run of a test are found.
func unique(name string) string { return name + "-" + nuid.Next() }

// processes returns the processes that have text among their arguments.
func (r *rig) processes(text string) []int {
	r.Helper()
	ids, err := nextest.Processes(text)
	if err != nil {
		r.Skip(err)
	}
	return ids
}

// awaitProcesses waits until so many processes have text among their arguments: one that is just
// about to become another program has none.
func (r *rig) awaitProcesses(text string, want int) []int {
	r.Helper()
	var ids []int
	if !nextest.Poll(func() bool { ids = r.processes(text); return len(ids) == want }) {
		r.Fatalf("processes %v have %q among their arguments, want %d", ids, text, want)
	}
	return ids
}

// kill ends a process as kill -9 does.
func (r *rig) kill(pid int) {
	r.Helper()
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		r.Fatalf("kill %d: %v", pid, err)
	}
}

// seen checks how many messages have come to a subscription so far.
func (r *rig) seen(sub *nats.Subscription, want int) {
	r.Helper()
	if err := r.nc.Flush(); err != nil {
		r.Fatal(err)
	}
	if n, _, err := sub.Pending(); err != nil || n != want {
		r.Errorf("%d messages on %s (%v), want %d", n, sub.Subject, err, want)
	}
}
