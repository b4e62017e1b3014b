package faults_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
	"github.com/nex-engine/nex/internal/function/wasm/wasmtest"
	"github.com/nex-engine/nex/internal/nextest"
)

// world is all that faults happen to, and those who look at it.
type world struct {
	level   nex.SandboxLevel
	hub     *place
	servers []*server
	nodes   []*node

	nc        *nats.Conn // of whoever deploys and looks
	client    *client.Client
	issuer    nkeys.KeyPair
	artifacts map[nex.WorkloadType]client.Deployment // type, location and digest of what is deployed

	mix   []*workload
	load  *load
	churn *churn
	told  *told
	first map[*node]census // before the first fault
}

// nodeCount is how many nodes there are. Functions of one name run on all of them.
const nodeCount = 2

// requestTimeout bounds a request to a node that may be away.
const requestTimeout = 3 * time.Second

// newWorld starts everything. It ends with the test, and must leave the machine as it was.
func newWorld(t *testing.T, level nex.SandboxLevel) *world {
	t.Helper()
	before := machine(t)
	t.Cleanup(func() {
		if after := machine(t); after != before && !t.Failed() {
			t.Errorf("on the machine there was\n%s\nand there is\n%s", before, after)
		}
	})
	w := &world{level: level, hub: newHub(t), artifacts: map[nex.WorkloadType]client.Deployment{}, first: map[*node]census{}}
	for i := range servers {
		w.servers = append(w.servers, newServer(t, w.hub, i))
	}
	for i := range nodeCount {
		var flags []string
		if level == nex.SandboxNone {
			flags = append(flags, "--no-sandbox")
		}
		w.nodes = append(w.nodes, newNode(t, i, nodeConfig(level), flags...))
	}
	t.Cleanup(func() { w.end(t) })
	for _, s := range w.servers {
		must(t, s.start())
	}
	w.connect(t)
	w.upload(t)
	for _, n := range w.nodes {
		must(t, n.start())
		if got := n.process.Ready.Sandbox; got != string(level) {
			t.Fatalf("the level of node %s is %q", n.name, got)
		}
		nextest.Await(t, "all servers know of node "+n.name, func() bool {
			p, err := w.client.Ping(t.Context(), n.id)
			n.xkey = p.TargetXkey
			return err == nil
		})
	}
	return w
}

// nodeConfig is what differs from the default: workloads are started again as often as it takes, agents whose
// node does not come back end soon, and in sandboxes the servers are within reach.
func nodeConfig(level nex.SandboxLevel) string {
	settings := []string{`"restart": {"max_starts": 0}`}
	if knows("orphan_timeout") {
		settings = append(settings, `"orphan_timeout": "2m"`)
	}
	if level != nex.SandboxNone {
		settings = append(settings, fmt.Sprintf(`"egress": {"allow": ["%s:%d-%d"]}`, hub, clientPort(0), clientPort(servers-1)))
	}
	return "{" + strings.Join(settings, ", ") + "}"
}

// knows reports whether the program has a setting.
func knows(setting string) bool { return strings.Contains(settings(), setting) }

var settings = sync.OnceValue(func() string {
	flags, _ := exec.Command(filepath.Join(binDir, "nex"), "node", "up", "--help").CombinedOutput() // without output it knows nothing
	program, _ := exec.Command("grep", "-o", "-m1", "-a", "orphan_timeout", filepath.Join(binDir, "nex")).Output()
	return string(flags) + string(program)
})

// connect connects those who look, each to any of the servers.
func (w *world) connect(t *testing.T) {
	t.Helper()
	var err error
	w.nc, err = w.dial("looker")
	must(t, err)
	t.Cleanup(w.nc.Close)
	w.client = client.New(w.nc, client.Config{Timeout: requestTimeout})
	w.issuer, err = nkeys.CreateAccount()
	must(t, err)
}

// dial makes a connection that is back soon after a server was away. It keeps nothing for later: what cannot
// be sent fails.
func (w *world) dial(name string) (*nats.Conn, error) {
	return nats.Connect(serverURLs(), nats.Name(name), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond),
		nats.ReconnectBufSize(-1), nats.PingInterval(time.Second), nats.MaxPingsOutstanding(2), nats.Timeout(time.Second),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
}

// upload puts what is deployed where it outlives the loss of a server.
func (w *world) upload(t *testing.T) {
	t.Helper()
	js, err := jetstream.New(w.nc)
	must(t, err)
	nextest.Await(t, "the servers have chosen a leader", func() bool {
		_, err = js.CreateOrUpdateObjectStore(t.Context(), jetstream.ObjectStoreConfig{Bucket: "FAULTS", Replicas: servers})
		return err == nil
	})
	for path, kind := range map[string]nex.WorkloadType{
		filepath.Join(binDir, service):                   nex.TypeNative,
		filepath.Join("testdata", javaScript):            nex.TypeV8,
		wasmtest.Rust(t, functionCrate, "faultfunction"): nex.TypeWasm,
	} {
		location, digest, err := w.put(t, path)
		must(t, err)
		w.artifacts[kind] = client.Deployment{Type: kind, Location: location, Digest: digest}
	}
}

// end stops all that runs.
func (w *world) end(t *testing.T) {
	for _, n := range w.nodes {
		if n.process != nil {
			_ = n.signal(continueSignal) // it may be stopped, or gone
			n.kill()
		}
		for _, pid := range n.left() {
			killProcess(pid)
		}
	}
	for _, s := range w.servers {
		if s.process != nil {
			_ = s.signal(continueSignal)
			s.kill()
		}
	}
	if t.Failed() {
		w.keepLogs(t)
	}
}
