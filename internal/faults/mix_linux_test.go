package faults_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
)

// workload is one of those that are there all the time.
type workload struct {
	name   string // also its subject
	node   *node
	kind   nex.WorkloadType
	policy nex.RestartPolicy

	id     string // of its deployment
	marked string // the argument by which its processes are found; functions have none
	was    identity
}

// identity tells the runs of a workload apart.
type identity struct {
	instance string // of a service, each of whose processes has one
	restarts int
}

func (x *workload) function() bool { return x.kind.Function() }

func (x *workload) String() string { return x.name + " on node " + x.node.name }

// newMix is a service of each restart policy, a function of JavaScript that all nodes have, and for each node one
// of WebAssembly.
func newMix(nodes []*node) []*workload {
	var mix []*workload
	kept := []nex.RestartPolicy{nex.RestartAlways, nex.RestartOnFailure}
	for i, n := range nodes {
		mix = append(mix,
			&workload{name: "kept-" + n.name, node: n, kind: nex.TypeNative, policy: kept[i%len(kept)]},
			&workload{name: "once-" + n.name, node: n, kind: nex.TypeNative, policy: nex.RestartNever},
			&workload{name: "js", node: n, kind: nex.TypeV8, policy: nex.RestartAlways},
			&workload{name: "wasm-" + n.name, node: n, kind: nex.TypeWasm, policy: nex.RestartAlways},
		)
	}
	return mix
}

// callTimeout bounds a call of a function.
const callTimeout = time.Second

// ofThisRun ends the marks of the processes of this run: there may be another one on the machine.
var ofThisRun = fmt.Sprintf("/%d", os.Getpid())

// deployment is how to deploy a workload, which has no other of the name; the last argument is the mark of a
// service, by which its processes are found.
func (w *world) deployment(name string, n *node, kind nex.WorkloadType, policy nex.RestartPolicy, args ...string) client.Deployment {
	d := w.artifacts[kind]
	d.Node, d.Xkey, d.Issuer, d.Name = n.id, n.xkey, w.issuer, name
	if d.Type.Function() {
		d.Triggers, d.CallTimeout = []string{name}, callTimeout
		return d
	}
	d.Argv = append([]string{"-servers", serverURLs(), "-name", name}, args...)
	d.Argv[len(d.Argv)-1] += ofThisRun
	d.Restart = policy
	return d
}

// deployments numbers them, for their marks.
var deployments int

// deploy deploys a workload of the mix, anew.
func (w *world) deploy(ctx context.Context, x *workload) error {
	deployments++
	x.marked = fmt.Sprintf("mark-%s-%d", x.name, deployments)
	answer, err := w.client.Deploy(ctx, w.deployment(x.name, x.node, x.kind, x.policy, x.marked))
	if err != nil {
		return fmt.Errorf("deploy %s: %w", x, err)
	}
	x.id, x.was = answer.ID, identity{}
	return nil
}

// stop stops a workload.
func (w *world) stop(ctx context.Context, n *node, id, name string) error {
	_, err := w.client.Stop(ctx, client.Stopping{Node: n.id, ID: id, Name: name, Issuer: w.issuer, Grace: time.Second})
	return err
}

// What is deployed: a file of binDir, one of testdata, and a folder of the module.
const (
	service       = "faultservice"
	javaScript    = "faultfunction.js"
	functionCrate = "internal/faults/testdata/faultfunction"
)

// put uploads a file.
func (w *world) put(t *testing.T, path string) (nex.Location, string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nex.Location{}, "", err
	}
	defer f.Close()
	return w.client.Upload(t.Context(), client.Upload{Bucket: "FAULTS", Key: filepath.Base(path), Content: f})
}
