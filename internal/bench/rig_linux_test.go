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
	"github.com/nex-engine/nex/internal/function/wasm/wasmtest"
	"github.com/nex-engine/nex/internal/nextest"
)

var binDir string

func TestMain(m *testing.M) {
	os.Exit(nextest.Isolate(func() int { return run(m) }))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "nex-bench-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binDir = dir
	for _, build := range []func(string) error{nextest.BuildNex, nextest.BuildAgent, nextest.BuildRunsc} {
		if err := build(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return wasmtest.Run(m)
}

// rig is a node in a process of its own, and a client of it.
type rig struct {
	b      *testing.B
	env    []string
	args   []string         // of up
	up     *nextest.Process // nex up or nex node up, the last one that was started
	url    string           // of the NATS server that workloads and callers use
	nc     *nats.Conn
	client *client.Client
	node   nex.PingResponse
	issuer nkeys.KeyPair
	xkey   nkeys.KeyPair // seals environments
	warm   int           // agents that are idle once the pools are full

	patience time.Duration // how long that may take
}

// start starts a nex up, which has the NATS server and the node in one process.
func start(b *testing.B) *rig {
	b.Helper()
	return newRig(b, 1, "up", "--no-sandbox", "--port", "0")
}

// startSandboxed starts a nex up whose workloads are in sandboxes. Flags come on top.
func startSandboxed(b *testing.B, flags ...string) *rig {
	b.Helper()
	needSandboxes(b)
	return newRig(b, 2, append([]string{"up", "--port", "0"}, flags...)...)
}

func needSandboxes(b *testing.B) {
	b.Helper()
	if !nextest.Sandboxed() {
		b.Skip("sandboxes with a network need root")
	}
}

// startNode starts a nex node up beside a NATS server in a process of its own.
func startNode(b *testing.B) *rig {
	b.Helper()
	return startNodeOf(b, startServer(b))
}

// startNodeOf starts a nex node up that uses a NATS server.
func startNodeOf(b *testing.B, s *server) *rig {
	b.Helper()
	return newRig(b, 1, "node", "up", "--no-sandbox", "--server", s.url())
}

// startSandboxedNode is startNode with workloads in sandboxes.
func startSandboxedNode(b *testing.B) *rig {
	b.Helper()
	needSandboxes(b)
	return newRig(b, 2, "node", "up", "--server", startServer(b).url())
}

func newRig(b *testing.B, warm int, command ...string) *rig {
	b.Helper()
	r := &rig{b: b, warm: warm, patience: 10 * time.Second, args: append(command, "--json", "--loglevel", "warn")}
	home := b.TempDir()
	r.env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "NEX_DATA_DIR=" + filepath.Join(home, "data")}
	r.startUp()
	b.Cleanup(func() {
		if err := r.up.Stop(); err != nil {
			b.Errorf("%s: %v\n%s", command, err, r.up.Log())
		}
	})
	p := r.up
	r.url = p.Ready.NATSURL
	var (
		options []nats.Option
		err     error
	)
	if p.Ready.ControlNKey != "" {
		key, err := nats.NkeyOptionFromSeed(p.Ready.ControlNKey)
		if err != nil {
			b.Fatal(err)
		}
		options = append(options, key)
	}
	if r.nc, err = nats.Connect(p.Ready.ControlURL, options...); err != nil {
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
	if r.xkey, err = nkeys.CreateCurveKeys(); err != nil {
		b.Fatal(err)
	}
	return r
}

// startUp starts nex up or nex node up, in the place of one that has ended if there was one.
func (r *rig) startUp() {
	r.b.Helper()
	p, err := nextest.StartReady(r.command(r.args...))
	if err != nil {
		r.b.Fatal(err)
	}
	r.up = p
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
	return build(b, "./examples/echoservice", "-trimpath", "-ldflags", "-s -w")
}

// build builds a Go program that needs no C, if it was not built yet, and returns its path.
func build(b *testing.B, pkg string, flags ...string) string {
	b.Helper()
	path := filepath.Join(binDir, filepath.Base(pkg))
	if filepath.Base(pkg) == "v2" { // of a module
		path = filepath.Join(binDir, filepath.Base(filepath.Dir(pkg)))
	}
	if _, err := os.Stat(path); err == nil {
		return path
	}
	cmd := exec.Command("go", append(append([]string{"build", "-o", path}, flags...), pkg)...)
	cmd.Dir = nextest.Root()
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
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

// awaitWarm waits until the pools are full.
func (r *rig) awaitWarm() {
	r.b.Helper()
	for deadline := time.Now().Add(r.patience); ; time.Sleep(time.Millisecond) {
		info, err := r.client.Info(r.b.Context(), r.node.NodeID)
		if err != nil {
			r.b.Fatal(err)
		}
		if info.AvailableAgents >= r.warm {
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
	b.ReportMetric(millis(times[len(times)/2]), name+"-p50-ms")
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
