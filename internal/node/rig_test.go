package node_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/natstest"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/node"
)

// rig is a node on a NATS server of its own, and a client of it. Its methods fail the test.
type rig struct {
	testing.TB
	settings config.Config
	server   *server.Server
	nc       *nats.Conn
	client   *client.Client
	dir      string // of the node's data
	node     nex.PingResponse
	issuer   nkeys.KeyPair
	xkey     nkeys.KeyPair
	log      *nextest.Buffer
	stop     func() error // the node; may be called again
	done     chan error   // has how the node has ended
	// neighbours are workloads that run beside what is tested.
	neighbours int
}

// setup is what a test can vary.
type setup struct {
	config.Config
	nats func(*server.Options)
}

// start starts NATS and a node without sandbox, which both end with the test.
func start(t testing.TB, edit ...func(*setup)) *rig {
	t.Helper()
	s := setup{Config: settings(), nats: func(*server.Options) {}}
	for _, e := range edit {
		e(&s)
	}
	r := &rig{TB: t, settings: s.Config, dir: filepath.Join(t.TempDir(), "node"), log: &nextest.Buffer{}}
	r.server = natstest.Run(t, s.nats)
	r.nc = natstest.Connect(t, r.server, nats.MaxReconnects(-1), nats.ReconnectWait(reconnectWait))
	r.client = client.New(r.nc, client.Config{Timeout: patience})
	r.issuer, r.xkey = newKey(t, nkeys.CreateAccount), newKey(t, nkeys.CreateCurveKeys)
	r.run()
	return r
}

// on is the same node in a subtest.
func (r *rig) on(t testing.TB) *rig {
	in := *r
	in.TB = t
	return &in
}

// settings are a node's in a test.
func settings() config.Config {
	s := config.Default()
	s.NoSandbox = true
	s.AllowFileArtifacts = true
	s.BinPath = []string{binDir}
	s.AgentHandshakeTimeoutMs = int(patience.Milliseconds())
	return s
}

// run runs the node, which it discovers once it is ready.
func (r *rig) run() {
	r.Helper()
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		r.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	control := natstest.Connect(r.TB, r.server, nats.MaxReconnects(-1), nats.ReconnectWait(reconnectWait))
	ready, done := make(chan node.Facts, 1), make(chan error, 1)
	r.done = done
	go func() {
		done <- node.Run(ctx, node.Config{
			Settings: r.settings, DataDir: r.dir, Control: control, WorkloadURL: r.server.ClientURL(),
			Logger: slog.New(slog.NewTextHandler(r.log, nil)), Ready: func(f node.Facts) { ready <- f },
		})
	}()
	r.stop = func() error {
		cancel()
		err := <-done
		done <- err
		return err
	}
	r.Cleanup(func() {
		if err := r.stop(); err != nil {
			r.Errorf("node: %v", err)
		}
		if left := r.agents(); len(left) > 0 {
			r.Errorf("agents %+v are left of a node that has ended", left)
		}
		if r.Failed() {
			r.Logf("the node's log:\n%s", r.log)
		}
	})
	select {
	case <-ready:
	case err := <-done:
		done <- err
		r.Fatalf("node did not start: %v", err)
	}
	nodes, err := r.client.Discover(r.Context())
	if err != nil || len(nodes) != 1 {
		r.Fatalf("Discover = %v, %v, want one node", nodes, err)
	}
	r.node = nodes[0]
}

func newKey(t testing.TB, create func() (nkeys.KeyPair, error)) nkeys.KeyPair {
	t.Helper()
	pair, err := create()
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// testprog is a deployment of testprog, which does what the arguments say.
func (r *rig) testprog(name string, argv ...string) client.Deployment {
	return r.program(name, "testprog", argv...)
}

// program is a deployment of one of the programs in binDir.
func (r *rig) program(name, file string, argv ...string) client.Deployment {
	r.Helper()
	path := filepath.Join(binDir, file)
	content, err := os.ReadFile(path)
	if err != nil {
		r.Fatal(err)
	}
	sum := sha256.Sum256(content)
	return client.Deployment{
		Node: r.node.NodeID, Xkey: r.node.TargetXkey, Issuer: r.issuer, Sender: r.xkey, Name: name, Type: nex.TypeNative,
		Location: nex.Location{Scheme: nex.SchemeFile, Path: path}, Digest: hex.EncodeToString(sum[:]), Argv: argv,
	}
}

// deploy deploys and returns the workload's id. A function can be called then.
func (r *rig) deploy(d client.Deployment) string {
	r.Helper()
	answer, err := r.client.Deploy(r.Context(), d)
	if err != nil {
		r.Fatalf("deploy %s: %v", d.Name, err)
	}
	if d.Type.Function() {
		r.awaitState(answer.ID, nex.StateRunning)
	}
	return answer.ID
}

// stopping is what stops a deployment.
func (r *rig) stopping(d client.Deployment, id string) client.Stopping {
	return client.Stopping{Node: d.Node, ID: id, Name: d.Name, Issuer: d.Issuer}
}

// undeploy stops a workload, which is given time to end by itself.
func (r *rig) undeploy(d client.Deployment, id string) {
	r.Helper()
	r.undeployWithin(d, id, 0)
}

// stopNow stops a workload that would not end by itself.
func (r *rig) stopNow(d client.Deployment, id string) {
	r.Helper()
	r.undeployWithin(d, id, time.Millisecond)
}

func (r *rig) undeployWithin(d client.Deployment, id string, grace time.Duration) {
	r.Helper()
	stopping := r.stopping(d, id)
	stopping.Grace = grace
	if _, err := r.client.Stop(r.Context(), stopping); err != nil {
		r.Fatalf("stop %s: %v", d.Name, err)
	}
}

// upload puts content into an object store.
func (r *rig) upload(d client.Deployment, key string, content []byte) client.Deployment {
	r.Helper()
	var err error
	d.Location, d.Digest, err = r.client.Upload(r.Context(), client.Upload{Bucket: "B", Key: key, Content: newReader(content)})
	if err != nil {
		r.Fatal(err)
	}
	return d
}
