package node_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sync/errgroup"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/natstest"
	"github.com/nex-engine/nex/internal/nextest"
)

func TestManyDeploysAtOnce(t *testing.T) {
	t.Parallel()
	const many = 50
	r := start(t, func(s *setup) { s.MachinePoolSize = 2 })
	ids := make([]string, many)
	var group errgroup.Group
	for i := range many {
		d := r.testprog(fmt.Sprintf("prog-%d", i), "wait")
		group.Go(func() error {
			answer, err := r.client.Deploy(t.Context(), d)
			ids[i] = answer.ID
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	nextest.Await(t, "all workloads run", func() bool {
		running := 0
		for _, m := range r.info().Machines {
			if m.State == nex.StateRunning {
				running++
			}
		}
		return running == many
	})
	if slices.Sort(ids); len(slices.Compact(ids)) != many {
		t.Errorf("%d ids are not different", many)
	}
	for _, m := range r.info().Machines {
		group.Go(func() error {
			_, err := r.client.Stop(t.Context(), r.stopping(r.testprog(m.Workload.Name), m.ID))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	r.unharmed()
}

// TestDeployAndStopLeakNothing runs by itself, so that what it counts is its own.
func TestDeployAndStopLeakNothing(t *testing.T) {
	r := start(t)
	d := r.testprog("prog", "wait")
	round := func() {
		t.Helper()
		r.undeploy(d, r.deploy(d))
	}
	for range 5 { // until every buffer there is has been made
		round()
	}
	r.clean()
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	for range 100 {
		round()
	}
	r.clean()
	// An agent that has only just been replaced may still have its goroutine.
	const spare = 5
	nextest.Await(t, fmt.Sprintf("%d goroutines again", goroutines), func() bool { return runtime.NumGoroutine() <= goroutines+spare })
	nextest.Await(t, fmt.Sprintf("%d open files again", files), func() bool { return openFiles(t) <= files+spare })
	r.unharmed()
}

// openFiles is the number of files that this process has open.
func openFiles(t testing.TB) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("there is no /proc to count open files in")
	}
	return len(open)
}

// TestClientThatDisappears shows that a request counts once it is sent.
func TestClientThatDisappears(t *testing.T) {
	t.Parallel()
	r := start(t)
	q := r.request()
	body := r.sign(q, r.issuer, r.claims(q))
	gone := natstest.Connect(t, r.server)
	subject := nex.Request{Op: nex.OpDeploy, Namespace: nex.DefaultNamespace, Node: r.node.NodeID}.Subject()
	if err := gone.PublishRequest(subject, gone.NewInbox(), body); err != nil {
		t.Fatal(err)
	}
	if err := gone.Flush(); err != nil {
		t.Fatal(err)
	}
	gone.Close()
	var m nex.MachineInfo
	nextest.Await(t, "the workload runs", func() bool {
		machines := r.info().Machines
		if len(machines) == 1 {
			m = machines[0]
		}
		return m.State == nex.StateRunning
	})
	r.undeploy(r.testprog("prog"), m.ID)
	r.unharmed()
}

// TestFloodOfOutput runs by itself because it looks at the memory of the node, which is this
// process.
func TestFloodOfOutput(t *testing.T) {
	r := start(t)
	const (
		flood     = 1 << 30
		mostNode  = 256 << 20 // more than before
		mostAgent = 128 << 20
	)
	before := residentBytes(t, os.Getpid())
	d := r.testprog("prog", "flood", strconv.Itoa(flood))
	id := r.deploy(d)
	pid := r.busyAgent().pid
	var node, agent int
	m := r.await(id, "the program has written everything", func(m nex.MachineInfo) bool {
		node, agent = max(node, residentBytes(t, os.Getpid())), max(agent, residentBytes(t, pid))
		return m.State.Ended()
	})
	if m.State != nex.StateCompleted {
		t.Errorf("state = %s (%s), want %s", m.State, m.Reason, nex.StateCompleted)
	}
	if node-before > mostNode || agent > mostAgent || agent == 0 {
		t.Errorf("the node grew by %d MiB and the agent to %d MiB, want at most %d and %d",
			(node-before)>>20, agent>>20, mostNode>>20, mostAgent>>20)
	}
	r.awaitLine(id, "were dropped: the program writes more than")
	r.unharmed()
}

var residentRE = regexp.MustCompile(`(?m)^VmRSS:\s*(\d+) kB$`)

// residentBytes is the memory that a process has; 0 if it has ended.
func residentBytes(t testing.TB, pid int) int {
	t.Helper()
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		if pid == os.Getpid() {
			t.Skip("there is no /proc to look at memory in")
		}
		return 0
	}
	found := residentRE.FindSubmatch(status)
	if found == nil { // it is a zombie
		return 0
	}
	n, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n << 10
}
