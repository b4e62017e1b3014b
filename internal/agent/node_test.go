//go:build linux

package agent_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agent"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/function/wasm/wasmtest"
	"github.com/nex-engine/nex/internal/natstest"
)

// An agent changes its process for good and its tests kill it, so each runs in a process of its
// own: this test program, told by its environment to be an agent.
const beAgent = "NEX_TEST_AGENT"

func TestMain(m *testing.M) {
	if os.Getenv(beAgent) == "" {
		os.Exit(wasmtest.Run(m))
	}
	if os.Getenv(playRuntime) != "" {
		agent.SetWasmLoader(played)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	os.Exit(agent.Command(ctx, nil, os.Stdin, os.Stdout, os.Stderr))
}

// patience bounds every wait; only a failing test takes so long.
const patience = 60 * time.Second

// node is the node's side of one agent.
type node struct {
	t             *testing.T
	id            string // of the agent, unique on the machine as it has to be
	server        *server.Server
	nc            *nats.Conn
	dir           string // the agent's work directory
	socket        net.Listener
	stream        atomic.Pointer[agentlink.Stream] // of calls; nil before the agent has opened it
	cmd           *exec.Cmd
	stderr        *bytes.Buffer // read it when ended is closed
	ended         chan struct{}
	orphanTimeout time.Duration // of the agent
	// holdCompiled, if a test sets it, is closed before the node takes what was compiled.
	holdCompiled chan struct{}

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when the agent has said something or ended
	hello   *agentlink.Handshake
	logs    []nex.LogRecord
	exits   []nex.Exit
	usage   []agentlink.Usage
	asked   []hostRequest
	// compiled is what the agent has given of compiled code.
	compiled [][]byte
	calls    uint64                      // number of the last one
	answers  map[uint64]agentlink.Answer // by the number of the call
	strays   []agentlink.Answer          // to what was no call
}

// startAgent starts an agent and returns when it has introduced itself. Edits change its process.
func startAgent(t *testing.T, edits ...func(*node, *exec.Cmd)) *node {
	t.Helper()
	n := &node{t: t, id: rand.Text(), dir: t.TempDir(), stderr: new(bytes.Buffer), ended: make(chan struct{}), changed: make(chan struct{}), answers: map[uint64]agentlink.Answer{}}
	n.server = natstest.Run(t, func(o *server.Options) {
		o.JetStream, o.AlwaysEnableNonce, o.MaxPayload = false, true, agentlink.MaxFrameBytes
	})
	n.nc = natstest.Connect(t, n.server, nats.NoReconnect())
	if _, err := n.nc.Subscribe(agentlink.HostSubjects(n.id), n.hear); err != nil {
		t.Fatal(err)
	}
	n.listen()
	if err := n.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	n.cmd = exec.Command("/proc/self/exe")
	// With the race detector a program sleeps for a second before it ends, unless told not to.
	n.cmd.Env = []string{beAgent + "=1", "SECRET_OF_THE_AGENT=1", "GORACE=atexit_sleep_ms=0"}
	n.cmd.Dir = n.dir
	n.cmd.Stderr = n.stderr
	for _, edit := range edits {
		edit(n, n.cmd)
	}
	if n.cmd.Stdin == nil {
		n.cmd.Stdin = bytes.NewReader(n.bootstrap())
	}
	if err := n.cmd.Start(); err != nil {
		t.Fatalf("start agent: %v", err)
	}
	go func() {
		_ = n.cmd.Wait() // the tests look at ProcessState
		n.mu.Lock()
		defer n.mu.Unlock()
		close(n.ended)
		n.announce()
	}()
	t.Cleanup(n.close)
	n.await("handshake", func() bool { return n.hello != nil || n.agentEnded() })
	if n.agentEnded() {
		t.Fatal("the agent ended at once")
	}
	return n
}

func (n *node) bootstrap() []byte {
	n.t.Helper()
	pair, err := nkeys.CreateUser()
	if err != nil {
		n.t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		n.t.Fatal(err)
	}
	return agentlink.Encode(agentlink.Bootstrap{AgentID: n.id, URL: n.server.ClientURL(), Seed: string(seed), LinkDir: filepath.Dir(n.socket.Addr().String()), Token: token, OrphanTimeout: n.orphanTimeout})
}

func (n *node) close() {
	if !n.agentEnded() {
		_ = n.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-n.ended:
		case <-time.After(patience):
			_ = n.cmd.Process.Kill()
			<-n.ended
			n.t.Error("the agent did not end when told to")
		}
	}
	if n.t.Failed() {
		n.t.Logf("the agent said:\n%s", n.stderr)
	}
}

func (n *node) agentEnded() bool {
	select {
	case <-n.ended:
		return true
	default:
		return false
	}
}

// hear takes what the agent says.
func (n *node) hear(m *nats.Msg) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch m.Subject {
	case agentlink.HandshakeSubject(n.id):
		h, err := agentlink.Decode[agentlink.Handshake](m.Data)
		if err != nil {
			n.t.Errorf("handshake: %v", err)
		}
		n.hello = &h
		_ = m.Respond(agentlink.Encode(agentlink.HandshakeReply{NodeID: "N1"}))
	case agentlink.LogsSubject(n.id):
		records, err := agentlink.Decode[[]nex.LogRecord](m.Data)
		if err != nil {
			n.t.Errorf("logs: %v", err)
		}
		n.logs = append(n.logs, records...)
	case agentlink.ExitedSubject(n.id):
		e, err := agentlink.Decode[agentlink.Exited](m.Data)
		if err != nil {
			n.t.Errorf("exited: %v", err)
		}
		n.exits = append(n.exits, e.Exit)
		_ = m.Respond(nil)
	case agentlink.UsageSubject(n.id):
		u, err := agentlink.Decode[agentlink.Usage](m.Data)
		if err != nil {
			n.t.Errorf("usage: %v", err)
		}
		n.usage = append(n.usage, u)
	default:
		n.hearRequest(m)
	}
	n.announce()
}

// announce wakes those that await something; it is called under n.mu.
func (n *node) announce() {
	close(n.changed)
	n.changed = make(chan struct{})
}

// await waits until cond, which is called under n.mu, holds.
func (n *node) await(what string, cond func() bool) {
	n.t.Helper()
	deadline := time.After(patience)
	for {
		n.mu.Lock()
		ok, changed := cond(), n.changed
		n.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			n.t.Fatalf("no %s within %v", what, patience)
		}
	}
}

// awaitLine waits for a log line that begins with prefix, and returns the rest of it.
func (n *node) awaitLine(prefix string) (rest string) {
	n.t.Helper()
	n.await(fmt.Sprintf("line %q", prefix), func() bool {
		for _, r := range n.logs {
			var ok bool
			if rest, ok = strings.CutPrefix(r.Text, prefix); ok {
				return true
			}
		}
		return false
	})
	return rest
}

// awaitExit waits for the workload's end and then for the agent's, which must be a success.
func (n *node) awaitExit() nex.Exit {
	n.t.Helper()
	n.await("exit", func() bool { return len(n.exits) > 0 })
	n.awaitEnd(0)
	return n.exits[0]
}

// awaitEnd waits for the end of the agent's process.
func (n *node) awaitEnd(status int) {
	n.t.Helper()
	select {
	case <-n.ended:
	case <-time.After(patience):
		n.t.Fatalf("the agent did not end within %v", patience)
	}
	if got := n.cmd.ProcessState.ExitCode(); got != status {
		n.t.Errorf("the agent ended with %v, want status %d", n.cmd.ProcessState, status)
	}
}

// lines returns the text of a stream.
func (n *node) lines(stream string) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var texts []string
	for _, r := range n.logs {
		if r.Stream == stream {
			texts = append(texts, r.Text)
		}
	}
	return texts
}

func request[T any](n *node, subject string, m any) T {
	n.t.Helper()
	reply, err := n.nc.Request(subject, agentlink.Encode(m), patience)
	if err != nil {
		n.t.Fatalf("request %s: %v", subject, err)
	}
	answer, err := agentlink.Decode[T](reply.Data)
	if err != nil {
		n.t.Fatalf("request %s: %v", subject, err)
	}
	return answer
}

func (n *node) deploy(d agentlink.Deploy) agentlink.DeployReply {
	n.t.Helper()
	return request[agentlink.DeployReply](n, agentlink.DeploySubject(n.id), d)
}

func (n *node) undeploy(grace time.Duration) nex.Exit {
	n.t.Helper()
	return request[agentlink.Exited](n, agentlink.UndeploySubject(n.id), agentlink.Undeploy{Grace: grace}).Exit
}

// run deploys a shell script, which must start.
func (n *node) run(script string, args ...string) {
	n.t.Helper()
	argv := append([]string{"-c", script}, args...)
	if r := n.deploy(n.workload("/bin/sh", argv...)); r.Error != "" || r.PID <= 0 {
		n.t.Fatalf("deploy %q: %+v", script, r)
	}
}

// workload stages a copy of a program.
func (n *node) workload(program string, argv ...string) agentlink.Deploy {
	n.t.Helper()
	path := filepath.Join(n.dir, "artifact")
	return agentlink.Deploy{
		WorkloadID: "w1", Name: "echo", Namespace: "default", Type: nex.TypeNative,
		Path: path, Digest: stage(n.t, program, path), Argv: argv,
	}
}

// stage copies a program and returns its digest.
func stage(t *testing.T, from, to string) string {
	t.Helper()
	src, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.New()
	if _, err := io.Copy(io.MultiWriter(dst, hash), src); err != nil {
		t.Fatal(err)
	}
	if err := dst.Close(); err != nil {
		t.Fatal(err)
	}
	// A child that another test is starting right now has our open file until it has begun its
	// program, and a file that is open for writing cannot be run.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return hex.EncodeToString(hash.Sum(nil))
}
