//go:build linux

package agent_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/function/javascript"
	"github.com/nex-engine/nex/internal/hostapi"
)

// functionTypes are the types with those of functions that there is a runtime for.
func functionTypes(list ...nex.WorkloadType) []nex.WorkloadType {
	if javascript.Supported {
		list = append(list, nex.TypeV8)
	}
	return append(list, nex.TypeWasm)
}

// hostRequest is a host service request that the node has got and not answered.
type hostRequest struct {
	hostapi.Request
	timeout time.Duration
	msg     *nats.Msg
}

// hearRequest takes a host service request; it is called under n.mu.
func (n *node) hearRequest(m *nats.Msg) {
	name, ok := strings.CutPrefix(m.Subject, agentlink.HostServicesPrefix(n.id))
	if !ok {
		n.t.Errorf("unexpected message on %s", m.Subject)
		return
	}
	r, timeout, err := agentlink.ParseHostRequest(m.Data)
	if err != nil {
		n.t.Errorf("host service request: %v", err)
	}
	r.Service, r.Method, _ = strings.Cut(name, ".")
	n.asked = append(n.asked, hostRequest{r, timeout, m})
}

// awaitRequests waits until the function has made so many host service requests.
func (n *node) awaitRequests(count int) []hostRequest {
	n.t.Helper()
	n.await("host service request", func() bool { return len(n.asked) >= count || n.agentEnded() })
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.asked) < count {
		n.t.Fatalf("the agent ended after %d host service requests, want %d", len(n.asked), count)
	}
	return slices.Clone(n.asked)
}

func (n *node) answerHost(r hostRequest, response hostapi.Response, failure *hostapi.Error) {
	n.t.Helper()
	if err := r.msg.Respond(agentlink.AppendHostResponse(nil, response, failure)); err != nil {
		n.t.Error(err)
	}
}

// settings are what functions in these tests run with: one call at a time, and one that waits.
func settings() *agentlink.Function {
	return &agentlink.Function{Concurrency: 1, Queue: 1, MemoryBytes: 64 << 20, ProcessBytes: 1 << 30, MaxResultBytes: 1 << 20}
}

// function is a function whose artifact has the content.
func (n *node) function(kind nex.WorkloadType, content []byte) agentlink.Deploy {
	n.t.Helper()
	path := filepath.Join(n.dir, "artifact")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		n.t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	return agentlink.Deploy{
		WorkloadID: "w1", Name: "echo", Namespace: "default", Type: kind,
		Path: path, Digest: hex.EncodeToString(sum[:]), Function: settings(),
	}
}

// load deploys a function, which must load.
func (n *node) load(d agentlink.Deploy) {
	n.t.Helper()
	if r := n.deploy(d); r.Error != "" || r.PID != n.cmd.Process.Pid {
		n.t.Fatalf("deploy = %+v, want that it runs in process %d", r, n.cmd.Process.Pid)
	}
}

// startFunction starts an agent with a function in JavaScript.
func startFunction(t *testing.T, script string, edits ...func(*agentlink.Deploy)) *node {
	t.Helper()
	n := startAgent(t)
	d := n.function(nex.TypeV8, []byte(script))
	for _, edit := range edits {
		edit(&d)
	}
	n.load(d)
	return n
}

// calling is a call under way.
type calling struct {
	n      *node
	number uint64
}

// trigger begins a call.
func (n *node) trigger(t agentlink.Trigger) calling {
	n.t.Helper()
	n.mu.Lock()
	n.calls++
	t.Number = n.calls
	n.mu.Unlock()
	if err := n.stream.Load().SendTrigger(t, true); err != nil {
		n.t.Fatal(err)
	}
	return calling{n, t.Number}
}

// token is what the agent says on its socket.
var token = strings.Repeat("T", agentlink.TokenBytes)

// listen lets the agent open its stream of calls.
func (n *node) listen() {
	n.t.Helper()
	dir, err := os.MkdirTemp("", "nex-agent-") // shorter than that of the test
	if err != nil {
		n.t.Fatal(err)
	}
	if n.socket, err = net.Listen("unix", filepath.Join(dir, agentlink.SocketName)); err != nil {
		n.t.Fatal(err)
	}
	var serving sync.WaitGroup
	n.t.Cleanup(func() {
		n.socket.Close()
		serving.Wait()
		if err := os.RemoveAll(dir); err != nil {
			n.t.Error(err)
		}
	})
	serving.Go(func() {
		for {
			conn, err := n.socket.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { n.serve(conn) })
		}
	})
}

// serve serves a connection of the agent.
func (n *node) serve(conn net.Conn) {
	defer conn.Close()
	purpose, err := agentlink.AcceptHello(conn, token)
	switch {
	case err != nil && n.orphanTimeout > 0: // it has given up on a node that is no more
	case err != nil:
		n.t.Errorf("the agent says hello %c: %v", purpose, err)
	case purpose == agentlink.PurposeCompiled:
		n.serveCompiled(conn)
	case purpose == agentlink.PurposeCalls && n.stream.Load() == nil:
		n.serveCalls(conn)
	case purpose == agentlink.PurposeNATS: // it comes back, to a node that is no more
	default:
		n.t.Errorf("the agent makes a connection for %c", purpose)
	}
}

// serveCompiled takes what the agent has compiled, when the test lets it.
func (n *node) serveCompiled(conn net.Conn) {
	if n.holdCompiled != nil {
		<-n.holdCompiled
	}
	err := agentlink.TakeCompiled(conn, func(r io.Reader, _ int64) error {
		content, err := io.ReadAll(r)
		n.mu.Lock()
		defer n.mu.Unlock()
		n.compiled = append(n.compiled, content)
		n.announce()
		return err
	})
	if err != nil && n.holdCompiled == nil {
		n.t.Errorf("the agent gives what it has compiled: %v", err)
	}
}

func (n *node) serveCalls(conn net.Conn) {
	s := agentlink.NewStream(conn, math.MaxInt)
	defer s.Close()
	n.stream.Store(s)
	if _, err := conn.Write([]byte{agentlink.HelloTaken}); err != nil {
		n.t.Error(err)
	}
	_ = s.Receive(func(kind agentlink.Kind, body []byte) {
		if kind == agentlink.KindSync {
			_ = s.SendSync()
			return
		}
		n.hearAnswer(body)
	}) // it ends with the agent
}

// hearAnswer takes the answer to a call, of which there is one.
func (n *node) hearAnswer(body []byte) {
	a, err := agentlink.ParseAnswer(body)
	if err != nil {
		n.t.Errorf("answer: %v", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, twice := n.answers[a.Number]; twice {
		n.t.Errorf("call %d was answered twice", a.Number)
	}
	if a.Number == 0 || a.Number > n.calls {
		n.strays = append(n.strays, a)
	} else {
		n.answers[a.Number] = a
	}
	n.announce()
}

// call begins a call that may take its time.
func (n *node) call(payload string) calling {
	n.t.Helper()
	return n.trigger(agentlink.Trigger{ID: "c-" + payload, Subject: "test.subject", Timeout: patience, Payload: []byte(payload)})
}

func (c calling) answer() (a agentlink.Answer) {
	c.n.t.Helper()
	c.n.await("answer to a call", func() (ok bool) {
		a, ok = c.n.answers[c.number]
		return ok
	})
	return a
}

// want checks the answer.
func (c calling) want(status int, says string) {
	c.n.t.Helper()
	a := c.answer()
	text := a.Message
	if status == 0 {
		text = string(a.Payload)
	}
	if a.Status != status || !strings.Contains(text, says) {
		c.n.t.Errorf("answer = %d, %q, %.100q; want status %d and mention of %q", a.Status, a.Message, a.Payload, status, says)
	}
}
