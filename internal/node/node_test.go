package node_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/natstest"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/node"
)

var binDir string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "nex-node-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binDir = dir
	if d := os.Getenv("NEX_TEST_BIN"); d != "" { binDir = d } else if err := nextest.Build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// rig is a node on a NATS server of its own, and a client of it.
type rig struct {
	t      testing.TB
	nc     *nats.Conn
	client *client.Client
	node   nex.PingResponse
	issuer nkeys.KeyPair
	xkey   nkeys.KeyPair
	stop   func() error
}

func start(t testing.TB, edit ...func(*config.Config)) *rig {
	t.Helper()
	s := natstest.Run(t)
	r := &rig{t: t, nc: natstest.Connect(t, s)}
	r.client = client.New(r.nc, client.Config{})
	settings := config.Default()
	settings.NoSandbox = true
	settings.AllowFileArtifacts = true
	settings.BinPath = []string{binDir}
	for _, e := range edit {
		e(&settings)
	}
	log := slog.New(slog.NewTextHandler(testWriter{t}, nil))
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan node.Facts, 1), make(chan error, 1)
	control := natstest.Connect(t, s)
	go func() {
		done <- node.Run(ctx, node.Config{
			Settings: settings, DataDir: t.TempDir(), Control: control, WorkloadURL: s.ClientURL(), Logger: log,
			Ready: func(f node.Facts) { ready <- f },
		})
	}()
	select {
	case <-ready:
	case err := <-done:
		t.Fatalf("node did not start: %v", err)
	}
	r.stop = func() error { cancel(); err := <-done; done <- err; return err }
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("node: %v", err)
		}
	})
	nodes, err := r.client.Discover(t.Context())
	if err != nil || len(nodes) != 1 {
		t.Fatalf("discover = %v, %v", nodes, err)
	}
	r.node = nodes[0]
	r.issuer, _ = nkeys.CreateAccount()
	r.xkey, _ = nkeys.CreateCurveKeys()
	return r
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) { w.t.Logf("%s", p); return len(p), nil }

func (r *rig) echo() client.Deployment {
	location, digest, err := r.client.Upload(r.t.Context(), client.Upload{Bucket: "B", Key: "echo", Content: open(r.t, filepath.Join(binDir, "echoservice"))})
	if err != nil {
		r.t.Fatal(err)
	}
	return client.Deployment{
		Node: r.node.NodeID, Xkey: r.node.TargetXkey, Issuer: r.issuer, Sender: r.xkey, Name: "echoservice",
		Type: nex.TypeNative, Location: location, Digest: digest, Environment: map[string]string{"greeting": "x"},
	}
}

func open(t testing.TB, path string) *os.File {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestEchoService(t *testing.T) {
	r := start(t)
	answer, err := r.client.Deploy(t.Context(), r.echo())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", answer)
	var reply *nats.Msg
	for i := 0; i < 50; i++ {
		if reply, err = r.nc.Request("svc.echo", []byte("hey"), time.Second); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil || string(reply.Data) != "hey" {
		t.Fatalf("echo = %v, %v", reply, err)
	}
	info, err := r.client.Info(t.Context(), r.node.NodeID)
	t.Logf("%+v %v", info, err)
	lines, err := r.client.Logs(t.Context(), r.node.NodeID, nex.LogsRequest{})
	t.Logf("%+v %v", lines, err)
	stopped, err := r.client.Stop(t.Context(), client.Stopping{Node: r.node.NodeID, ID: answer.ID, Name: "echoservice", Issuer: r.issuer})
	t.Logf("%+v %v", stopped, err)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.nc.Request("svc.echo", []byte("hey"), time.Second); err != nats.ErrNoResponders {
		t.Fatalf("after stop: %v", err)
	}
}
