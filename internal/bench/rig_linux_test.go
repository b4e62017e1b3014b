package bench_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
	"github.com/nex-engine/nex/internal/nextest"
)

var binDir string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "nex-bench-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binDir = dir
	for _, build := range []func(string) error{nextest.BuildNex, nextest.BuildAgent} {
		if err := build(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

// rig is a nex up in a process of its own, and a client of it.
type rig struct {
	b      *testing.B
	env    []string
	up     *nextest.Process
	nc     *nats.Conn
	client *client.Client
	node   nex.PingResponse
	issuer nkeys.KeyPair
}

func start(b *testing.B) *rig {
	b.Helper()
	r := &rig{b: b}
	home := b.TempDir()
	r.env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "NEX_DATA_DIR=" + filepath.Join(home, "data")}
	p, err := nextest.StartReady(r.command("up", "--json", "--no-sandbox", "--port", "0", "--loglevel", "warn"))
	if err != nil {
		b.Fatal(err)
	}
	r.up = p
	b.Cleanup(func() {
		if err := p.Stop(); err != nil {
			b.Errorf("nex up: %v\n%s", err, p.Log())
		}
	})
	key, err := nats.NkeyOptionFromSeed(p.Ready.ControlNKey)
	if err != nil {
		b.Fatal(err)
	}
	if r.nc, err = nats.Connect(p.Ready.ControlURL, key); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(r.nc.Close)
	r.client = client.New(r.nc, client.Config{Timeout: 30 * time.Second})
	if r.node, err = r.client.Ping(b.Context(), p.Ready.NodeID); err != nil {
		b.Fatal(err)
	}
	if r.issuer, err = nkeys.CreateAccount(); err != nil {
		b.Fatal(err)
	}
	return r
}

// command is a nex command of this rig's user.
func (r *rig) command(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(binDir, "nex"), args...)
	cmd.Env = r.env
	return cmd
}

// program uploads the echo service, without symbols a program of about five megabytes.
func (r *rig) program() client.Deployment {
	r.b.Helper()
	path := strippedEcho(r.b)
	f, err := os.Open(path)
	if err != nil {
		r.b.Fatal(err)
	}
	defer f.Close()
	location, digest, err := r.client.Upload(r.b.Context(), client.Upload{Bucket: "BENCH", Key: "echo", Content: f})
	if err != nil {
		r.b.Fatal(err)
	}
	return client.Deployment{
		Node: r.node.NodeID, Xkey: r.node.TargetXkey, Issuer: r.issuer, Name: "echo",
		Type: nex.TypeNative, Location: location, Digest: digest,
	}
}

func strippedEcho(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "echoservice")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "./examples/echoservice")
	build.Dir = nextest.Root()
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	return path
}

func (r *rig) deploy(d client.Deployment) string {
	r.b.Helper()
	answer, err := r.client.Deploy(r.b.Context(), d)
	if err != nil || answer.State != nex.StateRunning {
		r.b.Fatalf("deploy = %+v, %v", answer, err)
	}
	return answer.ID
}

func (r *rig) stop(d client.Deployment, id string) {
	r.b.Helper()
	if _, err := r.client.Stop(r.b.Context(), client.Stopping{Node: d.Node, ID: id, Name: d.Name, Issuer: r.issuer}); err != nil {
		r.b.Fatal(err)
	}
}

// awaitWarm waits until the pool has an idle agent.
func (r *rig) awaitWarm() {
	r.b.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		info, err := r.client.Info(r.b.Context(), r.node.NodeID)
		if err != nil {
			r.b.Fatal(err)
		}
		if info.AvailableAgents > 0 {
			return
		}
		if time.Now().After(deadline) {
			r.b.Fatal("the pool stays empty")
		}
	}
}

// median reports the median of what was measured, in milliseconds.
func median(b *testing.B, name string, times []time.Duration) {
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, name+"-p50-ms")
}
