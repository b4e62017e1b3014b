package faults_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/nextest"
)

// fault is something that goes wrong.
type fault struct {
	name string
	// ends says what may end by it, be it that it is started again.
	ends ending
	// loses says that calls of functions get lost, besides those of services.
	loses bool
	// level is the one at which there is such a thing; empty is any.
	level nex.SandboxLevel
	// inject lets it go wrong, and returns how to mend it, which is done after the step's hold; nil if it
	// mends itself.
	inject func(*world, *step) (heal func() error, err error)
}

// ending is what a fault ends.
type ending int

const (
	nothing   ending = iota
	oneOf            // the node's workloads
	allBut           // those of a node that keeps its workloads
	allOfNode        // whatever the node is like
)

// faults is all that goes wrong.
var faults = []fault{
	{name: "agent killed", ends: oneOf, level: nex.SandboxNone, inject: killSandbox(isAgent)},
	{name: "agent stopped", ends: oneOf, level: nex.SandboxNone, inject: haltOne(isAgent)},
	{name: "sandbox killed", ends: oneOf, level: nex.SandboxGVisor, inject: killSandbox(isKernel)},
	{name: "sandbox stopped", ends: oneOf, level: nex.SandboxGVisor, inject: haltOne(isKernel)},
	{name: "file server of a sandbox killed", ends: oneOf, level: nex.SandboxGVisor, inject: killOne(isGofer)},
	{name: "service crashed", ends: oneOf, inject: exit("1")},
	{name: "service ended", ends: oneOf, inject: exit("0")},

	{name: "node killed", loses: true, inject: killNode},
	{name: "node crashed", loses: true, inject: crashNode},
	{name: "node told to end", ends: allBut, loses: true, inject: endNode},
	{name: "node stopped", loses: true, inject: func(_ *world, s *step) (func() error, error) { return halt(s.node.process.PID()) }},
	{name: "agent killed without its node", ends: oneOf, loses: true, inject: killBoth},
	{name: "reboot", ends: allOfNode, loses: true, inject: reboot},

	{name: "server killed", loses: true, inject: killServers(1)},
	{name: "two servers killed", loses: true, inject: killServers(2)},
	{name: "all servers killed", loses: true, inject: killServers(servers)},
	{name: "server stopped", loses: true, inject: func(_ *world, s *step) (func() error, error) { return halt(s.server.process.PID()) }},
	{name: "network cut", loses: true, inject: cutNetwork},

	{name: "disk full", inject: func(_ *world, s *step) (func() error, error) { return s.node.fill() }},
	{name: "state file damaged", ends: oneOf, loses: true, inject: damageState},
	{name: "clock jumped", inject: jumpClock},
}

// step is a fault that happens: which, to whom, for how long.
type step struct {
	number int
	fault  fault
	node   *node
	server *server
	hold   time.Duration
	pick   uint64 // chooses among what there is when it happens
	note   string // of what was chosen

	healed time.Time
	blamed map[*workload]bool // those whose end the fault is to blame for
}

// newStep chooses, always with as many random numbers.
func newStep(w *world, number int, f fault, rng *rand.Rand, hold time.Duration) *step {
	part := rng.Float64()
	return &step{
		number: number, fault: f, blamed: map[*workload]bool{},
		node: w.nodes[rng.IntN(len(w.nodes))], server: w.servers[rng.IntN(len(w.servers))],
		hold: time.Duration(part * part * float64(hold)), // more often short than long
		pick: rng.Uint64(),
	}
}

func (s *step) String() string {
	return fmt.Sprintf("%d: %s, node %s, server %s, for %s %s", s.number, s.fault.name, s.node.name, s.server.name, s.hold.Round(time.Millisecond), s.note)
}

// blame reports whether the fault may have ended the workload.
func (s *step) blame(x *workload) bool {
	if x.node != s.node {
		return false
	}
	s.blamed[x] = true
	switch s.fault.ends {
	case oneOf:
		return len(s.blamed) <= 1
	case allBut:
		return !s.node.keeps
	case allOfNode:
		return true
	}
	return false
}

// choose picks one of what there is.
func choose[T any](s *step, of []T) (T, error) {
	if len(of) == 0 {
		var none T
		return none, fmt.Errorf("there is nothing to choose from for %q", s.fault.name)
	}
	return of[s.pick%uint64(len(of))], nil
}

// killOne kills a process of the node that is of a kind.
func killOne(kind func(args []string) bool) func(*world, *step) (func() error, error) {
	return func(_ *world, s *step) (func() error, error) {
		pid, err := choose(s, s.node.processes(kind))
		if err != nil {
			return nil, err
		}
		s.note = fmt.Sprintf("process %d", pid)
		return nil, syscall.Kill(pid, syscall.SIGKILL)
	}
}

// killSandbox kills a process with which its sandbox ends, and waits until the node has seen that: what it says
// of the workload before is of no use.
func killSandbox(kind func(args []string) bool) func(*world, *step) (func() error, error) {
	return func(_ *world, s *step) (func() error, error) {
		pid, err := choose(s, s.node.processes(kind))
		if err != nil {
			return nil, err
		}
		id := s.node.sandboxOf(pid)
		s.note = fmt.Sprintf("process %d of sandbox %s", pid, id)
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			return nil, err
		}
		if !nextest.Poll(func() bool { return !slices.Contains(s.node.sandboxes(), id) }) {
			return nil, fmt.Errorf("sandbox %s, of which process %d was killed, does not go", id, pid)
		}
		return nil, nil
	}
}

// haltOne stops a process of the node, and lets it go on.
func haltOne(kind func(args []string) bool) func(*world, *step) (func() error, error) {
	return func(_ *world, s *step) (func() error, error) {
		pid, err := choose(s, s.node.processes(kind))
		if err != nil {
			return nil, err
		}
		s.note = fmt.Sprintf("process %d", pid)
		return halt(pid)
	}
}

func halt(pid int) (func() error, error) {
	return func() error {
		if err := syscall.Kill(pid, syscall.SIGCONT); !errors.Is(err, syscall.ESRCH) { // it may have been killed meanwhile
			return err
		}
		return nil
	}, syscall.Kill(pid, syscall.SIGSTOP)
}

// exit makes a service of the node end by itself.
func exit(status string) func(*world, *step) (func() error, error) {
	return func(w *world, s *step) (func() error, error) {
		var services []string
		for _, x := range w.mix {
			if x.node == s.node && !x.function() {
				services = append(services, x.name)
			}
		}
		name, err := choose(s, services)
		if err != nil {
			return nil, err
		}
		s.note = name
		_, err = w.nc.Request(name+".exit", []byte(status), requestTimeout)
		return nil, err
	}
}

func killNode(_ *world, s *step) (func() error, error) {
	s.node.kill()
	return s.node.start, nil
}

// crashNode makes the node end with the stacks of its goroutines, of which there must not be many.
func crashNode(_ *world, s *step) (func() error, error) {
	if err := s.node.signal(syscall.SIGQUIT); err != nil {
		return nil, err
	}
	<-s.node.process.Done()
	const most = 400
	if count := strings.Count(s.node.process.Log(), "\ngoroutine "); count > most {
		return nil, fmt.Errorf("node %s has %d goroutines, more than %d", s.node.name, count, most)
	}
	return s.node.start, nil
}

func endNode(_ *world, s *step) (func() error, error) {
	if err := s.node.process.Stop(); err != nil {
		return nil, err
	}
	return s.node.start, nil
}

// killBoth kills the node, and something that the next one then looks for.
func killBoth(_ *world, s *step) (func() error, error) {
	s.node.kill()
	pid, err := choose(s, s.node.processes(func(args []string) bool { return isAgent(args) || isKernel(args) }))
	if err != nil {
		return nil, err
	}
	killProcess(pid)
	return s.node.start, nil
}

// reboot kills all that the node has started as well.
func reboot(_ *world, s *step) (func() error, error) {
	s.node.kill()
	for left := s.node.left(); len(left) > 0; left = s.node.left() {
		for _, pid := range left {
			killProcess(pid)
		}
	}
	return s.node.start, nil
}

// killServers kills some, the step's first.
func killServers(count int) func(*world, *step) (func() error, error) {
	return func(w *world, s *step) (func() error, error) {
		var killed []*server
		for i, other := range w.servers {
			if other == s.server {
				for k := range count {
					killed = append(killed, w.servers[(i+k)%len(w.servers)])
				}
			}
		}
		for _, k := range killed {
			k.kill()
		}
		return func() error {
			var errs []error
			for _, k := range killed {
				errs = append(errs, k.start())
			}
			return errors.Join(errs...)
		}, nil
	}
}

func cutNetwork(_ *world, s *step) (func() error, error) {
	return func() error { return s.node.at.cut(false) }, s.node.at.cut(true)
}
