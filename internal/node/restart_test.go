package node_test

import (
	"fmt"
	"testing"

	nex "github.com/nex-engine/nex"
)

func TestEchoService(t *testing.T) {
	t.Parallel()
	start(t).unharmed()
}

// TestRestartedNodeIsTheSame shows what others rely on: id and xkey stay, and nothing that it ran
// does.
func TestRestartedNodeIsTheSame(t *testing.T) {
	t.Parallel()
	r := start(t)
	token := unique("before-the-restart")
	before := r.node
	id := r.deploy(r.testprog("prog", "daemons", token))
	r.awaitLine(id, "ready")
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if left := r.processes(token); len(left) > 0 {
		t.Errorf("processes %v run although their node has ended", left)
	}
	r.run()
	if r.node.NodeID != before.NodeID || r.node.TargetXkey != before.TargetXkey {
		t.Errorf("node = %s %s, want %s %s", r.node.NodeID, r.node.TargetXkey, before.NodeID, before.TargetXkey)
	}
	if machines := r.info().Machines; len(machines) != 0 {
		t.Errorf("workloads = %+v, want none", machines)
	}
	r.unharmed()
}

// TestNodeEndsWhileItDeploys shows that everybody gets an answer, and nothing is left.
func TestNodeEndsWhileItDeploys(t *testing.T) {
	t.Parallel()
	const many = 20
	r := start(t)
	token := unique("deployed-to-a-node-that-ends")
	answered := make(chan error, many)
	for i := range many {
		d := r.testprog(fmt.Sprintf("prog-%d", i), "wait", token)
		go func() {
			_, err := r.client.Deploy(t.Context(), d)
			answered <- err
		}()
	}
	answers := []error{<-answered} // one is over, the others are on their way
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	for len(answers) < many {
		answers = append(answers, <-answered)
	}
	for _, err := range answers {
		switch code := nex.CodeOf(err); code {
		case "", nex.CodeStartFailed, nex.CodeNoAgent, nex.CodeArtifactUnavailable, nex.CodeLameDuck, nex.CodeNodeNotFound:
		default:
			t.Errorf("answer: %s: %v", code, err)
		}
	}
	if left := r.processes(token); len(left) > 0 {
		t.Errorf("processes %v run although their node has ended", left)
	}
}
