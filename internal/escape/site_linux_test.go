package escape_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
)

// site is a node with its server, and a witness.
type site struct {
	*rig
	witness *witness
	seed    string // of the control key
	public  string
	ids     []string // for naming
	agents  []string // the service's, and the function's
	secrets jetstream.KeyValue
	victims []jetstream.KeyValue // in the workload account
}

// newSite deploys a service and a function, and makes a bucket and an object store in the control account, and
// buckets of others in the workload account.
func newSite(t *testing.T, r *rig, others ...*nats.Conn) *site {
	t.Helper()
	s := &site{rig: r, witness: newWitness(t, r.control, append(others, r.workloads)...), ids: []string{"NODE", r.node.NodeID}}
	seed, err := os.ReadFile(r.up.Ready.ControlNKey)
	must(t, err)
	s.seed = strings.TrimSpace(string(seed))
	pair, err := nkeys.FromSeed([]byte(s.seed))
	must(t, err)
	s.public, err = pair.PublicKey()
	must(t, err)
	t.Cleanup(func() { r.stopAll(t) })
	r.deploy(t, r.intruder("service"))
	s.agents = append(s.agents, r.newAgent(t))
	echo := r.function("separation", nex.TypeV8, filepath.Join("..", "..", "examples", "javascript", "echofunction.js"))
	echo.MaxConcurrency = 1
	r.call(t, echo, "x")
	s.agents = append(s.agents, r.newAgent(t, s.agents...))

	control, err := jetstream.New(r.control)
	must(t, err)
	s.secrets = newBucket(t, control, "secrets")
	_, err = control.CreateObjectStore(t.Context(), jetstream.ObjectStoreConfig{Bucket: "secrets"})
	must(t, err)
	workloads, err := jetstream.New(r.workloads)
	must(t, err)
	for _, name := range []string{"nex-default_-victim", "nex-other_-javascript", "nex-other_-wasm"} {
		s.victims = append(s.victims, newBucket(t, workloads, name))
		_, err = workloads.CreateObjectStore(t.Context(), jetstream.ObjectStoreConfig{Bucket: name})
		must(t, err)
	}
	return s
}

// newBucket makes one with a token in it.
func newBucket(t *testing.T, js jetstream.JetStream, name string) jetstream.KeyValue {
	t.Helper()
	kv, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: name})
	must(t, err)
	_, err = kv.PutString(t.Context(), "token", song)
	must(t, err)
	return kv
}

// connect connects to the node's server.
func (r *rig) connect(t *testing.T, options ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(r.up.Ready.NATSURL, options...)
	must(t, err)
	t.Cleanup(nc.Close)
	return nc
}

// bus are the arguments of an attack at a server.
func (s *site) bus(url, credentials string, attempts []string) []string {
	return append([]string{"bus", url, credentials}, naming(attempts, s.ids...)...)
}

// named are attempts with the ids of the site.
func (s *site) named(attempts ...[]string) []string {
	return naming(slices.Concat(attempts...), s.ids...)
}
