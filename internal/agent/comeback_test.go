//go:build linux

package agent_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/agentlink/linkhost"
	"github.com/nex-engine/nex/internal/function"
	"github.com/nex-engine/nex/internal/hostapi"
	"github.com/nex-engine/nex/internal/proctree"
)

// station is where an agent lives whose nodes come and go.
type station struct {
	t      *testing.T
	id     string
	dir    string // of the sockets
	work   string // the agent's work directory
	secret []byte
	host   *linkhost.Host
	link   *linkhost.Link
	events linkhost.Events
	cmd    *exec.Cmd
	output *os.File // where the node reads what the agent says
	ended  chan struct{}

	mu      sync.Mutex
	changed chan struct{}
	logs    [][]nex.LogRecord // of one node after the other
	past    [][]nex.LogRecord // the history that each was told
	exits   []nex.Exit
	unheard func(func()) // holds what Events.Heard is asked; nil answers at once
}

// startStation starts an agent at its first node, once the directory of its link is prepared.
func startStation(t *testing.T, prepare ...func(dir string)) *station {
	t.Helper()
	dir, err := os.MkdirTemp("", "nex-agent-") // shorter than that of the test
	if err != nil {
		t.Fatal(err)
	}
	s := &station{
		t: t, id: rand.Text(), dir: filepath.Join(dir, "l"), work: t.TempDir(), secret: bytes.Repeat([]byte{1}, 32),
		ended: make(chan struct{}), changed: make(chan struct{}), logs: [][]nex.LogRecord{nil}, past: [][]nex.LogRecord{nil},
	}
	s.events = linkhost.Events{Logs: s.hear, Exited: s.exited, Heard: s.ask, Usage: func(agentlink.Usage) {}}
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Cleanup(func() { s.host.Close() })
	s.open()
	if s.link, err = s.host.Admit(s.id); err != nil {
		t.Fatal(err)
	}
	for _, f := range prepare {
		f(s.link.Dir())
	}
	said, output, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	s.output = said
	s.cmd = exec.Command("/proc/self/exe")
	s.cmd.Env = []string{beAgent + "=1", playRuntime + "=1", "GORACE=atexit_sleep_ms=0"}
	s.cmd.Dir, s.cmd.Stderr = s.work, output
	s.cmd.Stdin = bytes.NewReader(s.link.Bootstrap("", true))
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait() // the tests look at ProcessState
		close(s.ended)
	}()
	t.Cleanup(s.close)
	if hello, err := s.link.Handshake(s.context()); err != nil || hello.Held != nil {
		t.Fatalf("Handshake = %+v, %v", hello, err)
	}
	return s
}

func (s *station) close() {
	s.output.Close()
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it fails for one that has ended
	select {
	case <-s.ended:
	case <-time.After(patience):
		_ = s.cmd.Process.Kill()
		s.t.Error("the agent did not end when told to")
	}
}

func (s *station) context() context.Context {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	s.t.Cleanup(cancel)
	return ctx
}

// open starts a node.
func (s *station) open() {
	s.t.Helper()
	var err error
	if s.host, err = linkhost.Start(linkhost.Config{NodeID: "N", Dir: s.dir, Secret: s.secret, Logger: slog.New(slog.DiscardHandler)}); err != nil {
		s.t.Fatal(err)
	}
}

// crash ends the node; nobody reads what the agent says then.
func (s *station) crash() {
	s.t.Helper()
	s.output.Close()
	s.host.Leave()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logs, s.past = append(s.logs, nil), append(s.past, nil)
}

// restart starts the next node, and returns what the agent says that it holds.
func (s *station) restart() agentlink.Held {
	s.t.Helper()
	s.open()
	var err error
	if s.link, err = s.host.Readmit(s.id, s.events); err != nil {
		s.t.Fatal(err)
	}
	_ = s.link.Wake() // an agent that cannot be told comes by itself
	hello, err := s.link.Handshake(s.context())
	if err != nil {
		s.t.Fatal(err)
	}
	return *hello.Held
}

func (s *station) hear(records []nex.LogRecord, history bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.logs
	if history {
		of = s.past
	}
	of[len(of)-1] = append(of[len(of)-1], records...)
	s.announce()
}

func (s *station) exited(e nex.Exit) (recorded bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exits = append(s.exits, e)
	s.announce()
	return true
}

func (s *station) ask(f func()) {
	s.mu.Lock()
	ask := s.unheard
	s.mu.Unlock()
	if ask == nil {
		f()
	} else {
		ask(f)
	}
}

// announce wakes those that await something; it is called under s.mu.
func (s *station) announce() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// await waits until cond, which is called under s.mu, holds.
func (s *station) await(what string, cond func() bool) {
	s.t.Helper()
	deadline := time.After(patience)
	for {
		s.mu.Lock()
		ok, changed := cond(), s.changed
		s.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			s.t.Fatalf("no %s within %v", what, patience)
		}
	}
}

// awaitLine waits until the present node has heard a line, as news or as history.
func (s *station) awaitLine(line string) {
	s.t.Helper()
	s.await("line "+line, func() bool {
		return slices.ContainsFunc(append(slices.Clone(s.past[len(s.past)-1]), s.logs[len(s.logs)-1]...), func(r nex.LogRecord) bool { return r.Text == line })
	})
}

// awaitEnd waits for an exit, and for the agent's end, which must be a success.
func (s *station) awaitEnd() nex.Exit {
	s.t.Helper()
	s.await("exit", func() bool { return len(s.exits) > 0 })
	select {
	case <-s.ended:
	case <-time.After(patience):
		s.t.Fatalf("the agent did not end within %v", patience)
	}
	if !s.cmd.ProcessState.Success() {
		s.t.Errorf("the agent ended with %v", s.cmd.ProcessState)
	}
	return s.exits[len(s.exits)-1]
}

// run deploys a shell script, which must start, and returns its process.
func (s *station) run(script string) proctree.Identity {
	s.t.Helper()
	path := filepath.Join(s.work, "artifact")
	reply, err := s.link.Deploy(s.context(), agentlink.Deploy{
		WorkloadID: "w1", Name: "echo", Namespace: "default", Type: nex.TypeNative,
		Path: path, Digest: stage(s.t, "/bin/sh", path), Argv: []string{"-c", script},
	}, s.events)
	if err != nil {
		s.t.Fatal(err)
	}
	id, err := proctree.Identify(reply.PID)
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

// function is a function of the runtime that is played.
func (s *station) function(content string) agentlink.Deploy {
	s.t.Helper()
	path := filepath.Join(s.work, "artifact")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(content))
	return agentlink.Deploy{
		WorkloadID: "w1", Name: "echo", Namespace: "default", Type: nex.TypeWasm,
		Path: path, Digest: hex.EncodeToString(sum[:]), Function: settings(),
	}
}

// fifo makes a named pipe in the agent's work directory.
func (s *station) fifo(name string) (path string) {
	s.t.Helper()
	path = filepath.Join(s.work, name)
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// call calls the function and waits for the answer.
func (s *station) call(payload string) agentlink.Answer {
	s.t.Helper()
	select {
	case a := <-s.goCall(payload):
		return a
	case <-time.After(patience):
		s.t.Fatal("the call was not answered")
		return agentlink.Answer{}
	}
}

func (s *station) goCall(payload string) <-chan agentlink.Answer {
	answers := make(chan agentlink.Answer, 1)
	s.link.Call(agentlink.Trigger{ID: "c", Subject: "s", Timeout: patience, Payload: []byte(payload)}, func(a agentlink.Answer) {
		a.Payload = bytes.Clone(a.Payload)
		answers <- a
	})
	return answers
}

// wantAll checks that the last node was told all lines from the first on, each once and in order: what an earlier
// one had heard as history, the rest as news.
func (s *station) wantAll() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	past, news := s.past[len(s.past)-1], s.logs[len(s.logs)-1]
	all := append(slices.Clone(past), news...)
	for i, r := range all {
		if r.Seq != uint64(i+1) || r.Run != s.id || r.ID != "" {
			s.t.Fatalf("record %d of %d, after %d of the history, is %+v", i, len(all), len(past), r)
		}
	}
	heard := make(map[uint64]bool)
	for _, list := range s.logs[:len(s.logs)-1] {
		for _, r := range list {
			heard[r.Seq] = true
		}
	}
	for _, r := range past {
		if !heard[r.Seq] {
			s.t.Errorf("line %d is history, and was never news", r.Seq)
		}
	}
}

// A program goes on while there is no node, node after node: nothing of its log is lost, and nothing of it doubled.
func TestComesBack(t *testing.T) {
	t.Parallel()
	s := startStation(t)
	in := s.fifo("in")
	program := s.run(`(` + daemon + `) ; exec 3<>in; while read -r line <&3; do echo "$line"; [ "$line" != end ] || exit 3; done`)
	say := func(lines ...string) {
		t.Helper()
		f, err := os.OpenFile(in, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for _, line := range lines {
			if _, err := fmt.Fprintln(f, line); err != nil {
				t.Fatal(err)
			}
		}
	}
	say("first")
	s.awaitLine("first")
	for n := range 3 {
		var lines []string
		for i := range 200 {
			lines = append(lines, fmt.Sprint("round ", n, " line ", i))
		}
		say(lines[:50]...)
		s.awaitLine(lines[10])
		s.crash()
		say(lines[50:]...)
		if held := s.restart(); held != (agentlink.Held{WorkloadID: "w1", PID: program.PID}) {
			t.Errorf("the agent holds %+v, want w1 in process %d", held, program.PID)
		}
		s.awaitLine(lines[199])
		s.wantAll()
		if !program.Running() {
			t.Fatal("the program has ended")
		}
	}
	say("end")
	if exit := s.awaitEnd(); exit != (nex.Exit{Code: 3}) {
		t.Errorf("exit = %v, want status 3", exit)
	}
	s.awaitLine("end")
	s.wantAll()
}

// What a node has heard and not said so is told to the next one as news.
func TestComesBackUnheard(t *testing.T) {
	t.Parallel()
	s := startStation(t)
	asked := make(chan struct{}, 100)
	s.unheard = func(func()) { asked <- struct{}{} }
	s.run(`echo one; echo two; exec sleep 1000`)
	s.awaitLine("two")
	<-asked
	s.crash()
	s.restart()
	s.awaitLine("two")
	s.wantAll()
	if n := len(s.past[1]); n > 0 {
		t.Errorf("%d lines are history that nobody has acknowledged", n)
	}
}

// A program that ends while there is no node has left everything for the next.
func TestEndsMeanwhile(t *testing.T) {
	t.Parallel()
	s := startStation(t)
	in := s.fifo("in")
	program := s.run(`(` + daemon + `) ; echo begun; cat in; echo last words; exit 7`)
	s.awaitLine("begun")
	s.crash()
	writeFile(t, in)
	eventually(t, "end of the program", func() bool { return !program.Running() })
	if held := s.restart(); held.PID != program.PID || held.Exit != nil && *held.Exit != (nex.Exit{Code: 7}) {
		t.Errorf("the agent holds %+v", held)
	}
	if exit := s.awaitEnd(); exit != (nex.Exit{Code: 7}) {
		t.Errorf("exit = %v, want status 7", exit)
	}
	s.awaitLine("last words")
	s.wantAll()
}

// An exit that a node was told and did not acknowledge is told to the next, which learns it with the handshake too.
func TestExitIsToldAgain(t *testing.T) {
	t.Parallel()
	s := startStation(t)
	told := make(chan struct{})
	var once sync.Once
	first := s.events
	s.events.Exited = func(nex.Exit) bool {
		once.Do(func() { close(told) })
		return false // it could not be recorded
	}
	in := s.fifo("in")
	s.run(`cat in; exit 5`)
	writeFile(t, in)
	<-told
	s.crash()
	s.events = first
	if held := s.restart(); held.Exit == nil || *held.Exit != (nex.Exit{Code: 5}) {
		t.Errorf("the agent holds %+v, want status 5", held)
	}
	if exit := s.awaitEnd(); exit != (nex.Exit{Code: 5}) {
		t.Errorf("exit = %v, want status 5", exit)
	}
}

// A stop that one node has begun goes on without it, and the next can ask for it again.
func TestStopGoesOn(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]bool{"by itself": false, "asked again": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startStation(t)
			in := s.fifo("in")
			s.run(`trap 'echo stopping; cat in; exit 4' TERM; echo ready; while :; do sleep 0.01; done`)
			s.awaitLine("ready")
			link := s.link
			lost := make(chan error, 1)
			go func() {
				_, err := link.Undeploy(context.Background(), time.Hour)
				lost <- err
			}()
			s.awaitLine("stopping")
			s.crash()
			if err := <-lost; err == nil {
				t.Error("the stop of a node that is no more has an answer")
			}
			s.restart()
			if again {
				// The shortest grace period counts.
				if exit, err := s.link.Undeploy(s.context(), 10*time.Millisecond); err != nil || exit.Signal != "SIGKILL" {
					t.Errorf("Undeploy = %v, %v, want SIGKILL", exit, err)
				}
				s.awaitEnd()
				return
			}
			writeFile(t, in)
			if exit := s.awaitEnd(); exit != (nex.Exit{Code: 4}) {
				t.Errorf("exit = %v, want status 4", exit)
			}
		})
	}
}

// A workload that is being started when the node goes is there for the next one.
func TestStartGoesOn(t *testing.T) {
	t.Parallel()
	s := startStation(t)
	d := s.function("wait")
	in := s.fifo("artifact.fifo")
	link := s.link
	failed := make(chan error, 1)
	go func() {
		_, err := link.Deploy(context.Background(), d, s.events)
		failed <- err
	}()
	s.awaitLine("loading")
	s.crash()
	if err := <-failed; err == nil {
		t.Error("the start by a node that is no more has an answer")
	}
	writeFile(t, in)
	if held := s.restart(); held != (agentlink.Held{WorkloadID: "w1", PID: s.cmd.Process.Pid}) {
		t.Errorf("the agent holds %+v, want w1 in process %d", held, s.cmd.Process.Pid)
	}
	if a := s.call("hello"); string(a.Payload) != "hello" {
		t.Errorf("answer = %+v, want the payload", a)
	}
}

// A function takes calls of the next node, and asks that for its host services. What was under way is lost, and
// does no harm.
func TestFunctionComesBack(t *testing.T) {
	t.Parallel()
	s := startStation(t)
	asked := make(chan struct{}, 10)
	s.events.Host = func(ctx context.Context, _ hostapi.Request) (hostapi.Response, error) {
		asked <- struct{}{}
		<-ctx.Done()
		return hostapi.Response{}, context.Cause(ctx)
	}
	if _, err := s.link.Deploy(s.context(), s.function("echo"), s.events); err != nil {
		t.Fatal(err)
	}
	if a := s.call("hello"); string(a.Payload) != "hello" {
		t.Fatalf("answer = %+v, want the payload", a)
	}
	s.await("usage", func() bool { return true })
	lost := s.goCall("ask")
	<-asked
	s.crash()
	if a := <-lost; a.Status != function.StatusFailed {
		t.Errorf("a call that is under way when the node goes is answered %+v", a)
	}
	used := make(chan agentlink.Usage, 1000)
	s.events.Usage = func(u agentlink.Usage) { used <- u }
	s.events.Host = func(context.Context, hostapi.Request) (hostapi.Response, error) {
		return hostapi.Response{Body: []byte("of the next")}, nil
	}
	s.restart()
	if u := <-used; u.MemoryBytes <= 0 { // before there was a call
		t.Errorf("the agent says that it uses %+v", u)
	}
	for range 10 {
		if a := s.call("ask"); a.Status != 0 || string(a.Payload) != "of the next" {
			t.Fatalf("answer = %+v, want what the next node's host service says", a)
		}
	}
	if exit, err := s.link.Undeploy(s.context(), patience); err != nil || !exit.Success() {
		t.Errorf("Undeploy = %v, %v", exit, err)
	}
	s.awaitEnd()
}

// Who makes a socket where the node's was learns nothing from the agent, and does not keep it from its node.
func TestImpostor(t *testing.T) {
	t.Parallel()
	s := startStation(t)
	program := s.run(`exec sleep 1000`)
	path := filepath.Join(s.link.Dir(), agentlink.SocketName)
	s.crash()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	for _, says := range []string{"", "INFO {}\r\n", strings.Repeat("x", 48), strings.Repeat("x", 1000)} {
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		var hello [17]byte
		if _, err := io.ReadFull(conn, hello[:]); err != nil || hello[0] != agentlink.PurposeNATS {
			t.Errorf("the agent says %q, %v", hello, err)
		}
		_, _ = io.WriteString(conn, says)
		_ = conn.(*net.UnixConn).CloseWrite()
		if more, err := io.ReadAll(conn); len(more) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("to who says %.20q the agent says %q, %v", says, more, err)
		}
		conn.Close()
	}
	l.Close()
	if held := s.restart(); held.PID != program.PID || !program.Running() {
		t.Errorf("the agent holds %+v, want process %d", held, program.PID)
	}
}

// An agent that is told that its node is there tries at once, as often as it is told, and does not mind when it is
// not true.
func TestToldToComeBack(t *testing.T) {
	t.Parallel()
	s := startStation(t)
	program := s.run(`exec sleep 1000`)
	dir := s.link.Dir()
	s.crash()
	for range 10 { // without a node, nor anybody else
		if err := agentlink.Wake(dir); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, agentlink.SocketName)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	began := time.Now()
	const tries = 50 // by itself it would take a minute and more for so many
	for range tries {
		if err := agentlink.Wake(dir); err != nil {
			t.Fatal(err)
		}
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
	if took := time.Since(began); took > patience {
		t.Errorf("an agent that is told tries %d times in %v", tries, took)
	}
	l.Close()
	if held := s.restart(); held.PID != program.PID || !program.Running() {
		t.Errorf("the agent holds %+v, want process %d", held, program.PID)
	}
}

// An agent that is not told comes back all the same, and so does one that cannot be.
func TestComesBackUntold(t *testing.T) {
	t.Parallel()
	remove := func(dir string) {
		if err := os.Remove(filepath.Join(dir, agentlink.WakeName)); err != nil {
			t.Error(err)
		}
	}
	spoil := func(dir string) {
		remove(dir)
		if err := os.WriteFile(filepath.Join(dir, agentlink.WakeName), nil, 0o600); err != nil {
			t.Error(err)
		}
	}
	for name, c := range map[string]struct{ before, meanwhile func(dir string) }{
		"not told":     {meanwhile: remove}, // the agent has it open
		"no FIFO":      {before: remove},
		"no such":      {before: spoil},
		"not any more": {meanwhile: spoil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s *station
			if c.before != nil {
				s = startStation(t, c.before)
			} else {
				s = startStation(t)
			}
			program := s.run(`exec sleep 1000`)
			dir := s.link.Dir()
			s.crash()
			if c.meanwhile != nil {
				c.meanwhile(dir)
			}
			if held := s.restart(); held.PID != program.PID || !program.Running() {
				t.Errorf("the agent holds %+v, want process %d", held, program.PID)
			}
		})
	}
}

// An agent that is told to end does not wait for a node.
func TestTerminatedWithoutNode(t *testing.T) {
	t.Parallel()
	s := startStation(t)
	s.run(`(` + daemon + `) ; exec sleep 1000`)
	s.await("daemon", func() bool { return len(s.logs[0]) > 0 })
	pid, err := strconv.Atoi(strings.TrimPrefix(s.logs[0][0].Text, "daemon "))
	if err != nil {
		t.Fatal(err)
	}
	left, err := proctree.Identify(pid)
	if err != nil {
		t.Fatal(err)
	}
	s.crash()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-s.ended
	if left.Running() {
		t.Errorf("process %d runs without an agent", pid)
	}
}

// A node whose directory is removed does not come back, however long the agent might wait for it.
func TestNodeIsGone(t *testing.T) {
	t.Parallel()
	s := startStation(t)
	id := s.run("echo $$; exec sleep 1000")
	s.crash()
	if err := os.RemoveAll(s.dir); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.ended:
	case <-time.After(patience):
		t.Fatal("the agent waits for a node that is gone")
	}
	if id.Running() {
		t.Error("its program goes on")
	}
}
