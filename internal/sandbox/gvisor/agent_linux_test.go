package gvisor_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/agentlink/linkhost"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/gvisor"
)

// patience is how long anything may take on a machine that is busy.
const patience = 60 * time.Second

// buildAgent builds nex-agent once.
var buildAgent = sync.OnceValues(func() (string, error) {
	dir := filepath.Dir(os.Getenv(runscVariable))
	path := filepath.Join(dir, "nex-agent")
	if _, err := os.Stat(path); err == nil {
		return path, nil // the process that has started this one has built it
	}
	return path, nextest.BuildAgent(dir)
})

// node is a driver with the node's end of the agents' links.
type node struct {
	testing.TB
	driver bounded
	host   *linkhost.Host
}

func newNode(t testing.TB, c gvisor.Config) *node {
	t.Helper()
	var err error
	if c.AgentPath, err = buildAgent(); err != nil {
		t.Fatal(err)
	}
	if c.Dir == "" {
		c.Dir = filepath.Join(t.TempDir(), "state")
	}
	n := &node{TB: t}
	if n.driver, err = newDriver(c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.driver.Close(); err != nil {
			t.Error(err)
		}
	})
	n.host, err = linkhost.Start(linkhost.Config{NodeID: "node", Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.host.Close)
	return n
}

// agent is an agent that has shaken hands.
type agent struct {
	sandbox.Instance
	n    *node
	link *linkhost.Link
	logs chan nex.LogRecord
	exit chan nex.Exit
}

// start starts an agent and waits until it has shaken hands.
func (n *node) start(spec sandbox.Spec) *agent {
	n.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	spec.ID = "agent" + strings.ToLower(rand.Text())[:20]
	link, err := n.host.Admit(spec.ID)
	if err != nil {
		n.Fatal(err)
	}
	n.Cleanup(link.Close)
	spec.Bootstrap, spec.LinkDir = link.Bootstrap(n.driver.Capabilities().LinkDir, false), link.Dir()
	spec.Log = func(line string) { n.Logf("agent %s: %s", spec.ID, line) }
	i, err := n.driver.Start(ctx, spec)
	if err != nil {
		n.Fatal(err)
	}
	a := &agent{Instance: i, n: n, link: link, logs: make(chan nex.LogRecord, 1000), exit: make(chan nex.Exit, 1)}
	n.Cleanup(a.destroy)
	if _, err := link.Handshake(ctx); err != nil {
		n.Fatal(err)
	}
	return a
}

func (a *agent) destroy() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := a.Destroy(ctx); err != nil {
		a.n.Error(err)
	}
}

// deploy stages a file and starts the workload.
func (a *agent) deploy(path string, d agentlink.Deploy) agentlink.DeployReply {
	a.n.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	content, err := os.ReadFile(path)
	if err != nil {
		a.n.Fatal(err)
	}
	if d.Path, err = a.Stage(ctx, sandbox.ForArtifact, path); err != nil {
		a.n.Fatal(err)
	}
	sum := sha256.Sum256(content)
	d.Digest = hex.EncodeToString(sum[:])
	return a.begin(ctx, d)
}

// deployImage starts an image, whose files are there.
func (a *agent) deployImage(i agentlink.Image) agentlink.DeployReply {
	a.n.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return a.begin(ctx, agentlink.Deploy{Type: nex.TypeOCI, Image: &i})
}

func (a *agent) begin(ctx context.Context, d agentlink.Deploy) agentlink.DeployReply {
	a.n.Helper()
	d.WorkloadID, d.Name, d.Namespace = "workload", "name", "default"
	reply, err := a.link.Deploy(ctx, d, linkhost.Events{
		Logs: func(list []nex.LogRecord, _ bool) {
			for _, r := range list {
				a.logs <- r
			}
		},
		Exited: func(e nex.Exit) bool { a.exit <- e; return true },
		Usage:  func(agentlink.Usage) {},
	})
	if err != nil {
		a.n.Fatal(err)
	}
	return reply
}

// call calls the function.
func (a *agent) call(payload string) agentlink.Answer {
	answers := make(chan agentlink.Answer, 1)
	a.link.Call(agentlink.Trigger{Subject: "s", ID: "call", Timeout: patience, Payload: []byte(payload)}, func(x agentlink.Answer) {
		x.Payload = []byte(string(x.Payload))
		answers <- x
	})
	return <-answers
}

const echoScript = `(subject, payload) => payload`

// A function runs in a sandbox without network, in which it has no capabilities and no user of its own.
func TestFunction(t *testing.T) {
	t.Parallel()
	n := newNode(t, gvisor.Config{})
	limits := sandbox.Limits{PIDs: 200, OpenFiles: 1024, DiskBytes: 64 << 20}
	if n.driver.Capabilities().Limits.Memory {
		limits.MemoryBytes = 512 << 20
	}
	a := n.start(sandbox.Spec{Settings: sandbox.Settings{Limits: limits}})
	script := filepath.Join(t.TempDir(), "echo.js")
	if err := os.WriteFile(script, []byte(echoScript), 0o400); err != nil {
		t.Fatal(err)
	}
	reply := a.deploy(script, agentlink.Deploy{
		Type:     nex.TypeV8,
		Function: &agentlink.Function{Concurrency: 1, MemoryBytes: 128 << 20, MaxResultBytes: 1 << 20},
	})
	if reply.Error != "" {
		t.Fatalf("Deploy: %s", reply.Error)
	}
	if got := a.call("hello"); got.Status != 0 || !strings.Contains(string(got.Payload), "hello") {
		t.Errorf("answer = %+v", got)
	}
}
