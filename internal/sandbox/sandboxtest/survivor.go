package sandboxtest

import (
	"bufio"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/proctree"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest/plan"
)

// survivor is a sandbox that outlives its node: its agent obeys the test, which it reaches by its link.
type survivor struct {
	r       *rig
	id, dir string
	hello   plan.Hello
	process proctree.Identity // the agent's, of a host-process suite

	listener net.Listener
	conn     net.Conn
	answers  *bufio.Scanner
}

// adopter is the driver, or the check is over.
func (r *rig) adopter() sandbox.Adopter {
	r.Helper()
	a, ok := r.driver.(sandbox.Adopter)
	if !ok {
		r.Skip("sandboxes of this driver end with the node")
	}
	return a
}

// leave starts a node with this many sandboxes, which are as the order says and whose agents obey after their
// steps. What is left of them at the end of the test is swept.
func (r *rig) leave(many int, o order) (*node, []*survivor) {
	r.Helper()
	adopter := r.adopter()
	r.Cleanup(func() {
		if _, err := adopter.Sweep(r.ctx()); err != nil {
			r.Errorf("Sweep: %v", err)
		}
	})
	var all []*survivor
	var start []order
	for range many {
		s := &survivor{r: r, id: newID(), dir: linkDir(r)}
		s.listen()
		one := o
		one.ID, one.LinkDir = s.id, s.dir
		one.Plan.Steps = append(one.Plan.Steps[:len(one.Plan.Steps):len(one.Plan.Steps)], plan.Text(plan.Obey, s.socketInside()))
		all, start = append(all, s), append(start, one)
	}
	n := r.startNode(orders{Start: start})
	for _, s := range all {
		s.meet()
		s.process = r.identify(s.hello.PID)
	}
	return n, all
}

// leaveOne is leave for one sandbox, whose node is killed.
func (r *rig) leaveOne(steps ...plan.Step) *survivor {
	r.Helper()
	return r.leaveBounded(sandbox.Limits{}, steps...)
}

// leaveBounded is leaveOne for a sandbox with limits.
func (r *rig) leaveBounded(l sandbox.Limits, steps ...plan.Step) *survivor {
	r.Helper()
	n, all := r.leave(1, order{Plan: plan.Plan{Steps: steps}, Settings: sandbox.Settings{Limits: l}})
	n.kill()
	return all[0]
}

// identify identifies a process of a host-process suite; of others it returns the zero value.
func (r *rig) identify(pid int) proctree.Identity {
	r.Helper()
	if !r.suite.HostProcesses {
		return proctree.Identity{}
	}
	id, err := proctree.Identify(pid)
	if err != nil {
		r.Fatalf("identify process %d: %v", pid, err)
	}
	return id
}

// socketName is that of the link: a driver may lead to no other.
const socketName = agentlink.SocketName

func (s *survivor) socketInside() string {
	if inside := s.r.driver.Capabilities().LinkDir; inside != "" {
		return inside + "/" + socketName
	}
	return filepath.Join(s.dir, socketName)
}

// listen makes the socket of the link, in place of the one that is there, as each node process does.
func (s *survivor) listen() {
	s.r.Helper()
	s.hangUp()
	// One that is seen takes connections: it is named when it listens.
	fresh := filepath.Join(s.dir, "new.sock")
	l, err := net.Listen("unix", fresh)
	if err != nil {
		s.r.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	s.listener = l
	s.r.Cleanup(s.hangUp)
	if err := os.Chmod(fresh, 0o666); err != nil {
		s.r.Fatal(err)
	}
	if err := os.Rename(fresh, filepath.Join(s.dir, socketName)); err != nil {
		s.r.Fatal(err)
	}
}

// hangUp closes what listen and meet have made; it may be called again.
func (s *survivor) hangUp() {
	if s.listener != nil {
		s.listener.Close()
	}
	if s.conn != nil {
		s.conn.Close()
	}
}

// meet waits for the agent to connect.
func (s *survivor) meet() {
	s.r.Helper()
	_ = s.listener.(*net.UnixListener).SetDeadline(time.Now().Add(patience))
	conn, err := s.listener.Accept()
	if err != nil {
		s.r.Fatalf("the agent does not come: %v", err)
	}
	s.conn, s.answers = conn, bufio.NewScanner(conn)
	_ = conn.SetDeadline(time.Now().Add(2 * patience)) // no wait for it is for ever
	s.hello = plan.Hello{}
	if err := json.Unmarshal([]byte(s.answer()), &s.hello); err != nil || s.hello.Token == "" {
		s.r.Fatalf("the agent says %+v, %v", s.hello, err)
	}
}

// answer is the next line of the agent.
func (s *survivor) answer() string {
	s.r.Helper()
	if !s.answers.Scan() {
		s.r.Fatalf("the agent does not answer: %v", s.answers.Err())
	}
	return s.answers.Text()
}

// order tells the agent to do something and does not wait.
func (s *survivor) order(step plan.Step) {
	s.r.Helper()
	if err := json.NewEncoder(s.conn).Encode(step); err != nil {
		s.r.Fatalf("the agent is not to be reached: %v", err)
	}
}

// do tells the agent to do something and waits until it is done.
func (s *survivor) do(step plan.Step) {
	s.r.Helper()
	s.order(step)
	if got := s.answer(); got != "done" {
		s.r.Fatalf("the agent has %s: %s", step.Do, got)
	}
}

// later and meanwhile have the agent do something while no node is there: later is called before the node is
// killed, and meanwhile after that. Where the link is cut by that the agent has to be told before.
func (s *survivor) later(step plan.Step) {
	s.r.Helper()
	if s.r.suite.LinkByNode {
		s.do(plan.After(step))
	}
}

func (s *survivor) meanwhile(step plan.Step) {
	s.r.Helper()
	if !s.r.suite.LinkByNode {
		s.do(step)
	}
}

// again meets the agent again when there is a node again, if its link was cut meanwhile.
func (s *survivor) again() {
	s.r.Helper()
	if !s.r.suite.LinkByNode {
		return
	}
	before := s.hello
	s.conn.Close()
	s.meet()
	if s.hello != before {
		s.r.Errorf("the agent is %+v, and was %+v: it was started again", s.hello, before)
	}
}

// die is meanwhile for a step that ends the agent, and waits until nothing of the sandbox runs.
func (s *survivor) die(step plan.Step) {
	s.r.Helper()
	if !s.r.suite.LinkByNode {
		s.order(step)
	}
	home := filepath.Join(s.r.dir, s.id)
	for end := time.Now().Add(patience); s.process.PID != 0 && s.process.Running() || s.r.named(home); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			s.r.Fatal("the agent does not end")
		}
	}
}

// named reports whether a process of this machine has the path in its arguments.
func (r *rig) named(path string) bool {
	names, _ := filepath.Glob("/proc/[0-9]*/cmdline") // none where there is no such thing
	for _, name := range names {
		if b, err := os.ReadFile(name); err == nil && strings.Contains(string(b), path) {
			return true
		}
	}
	return false
}

// adopt takes the sandbox over, and destroys it when the test ends.
func (s *survivor) adopt() running {
	s.r.Helper()
	log := newRecorder()
	i, err := s.r.adopter().Adopt(s.r.ctx(), s.id, log.add)
	if err != nil {
		s.r.Fatalf("Adopt: %v", err)
	}
	if i.ID() != s.id {
		s.r.Errorf("ID = %q, want %q", i.ID(), s.id)
	}
	s.r.Cleanup(func() {
		if err := i.Destroy(s.r.ctx()); err != nil {
			s.r.Errorf("Destroy: %v", err)
		}
		if s.r.Failed() {
			s.r.Logf("agent %s printed %q", s.id, log.tail())
		}
	})
	s.again()
	return running{i, s.r, log}
}
