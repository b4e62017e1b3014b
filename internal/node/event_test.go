package node_test

import (
	"slices"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
)

// TestEventsTellTheStory follows one workload from outside.
func TestEventsTellTheStory(t *testing.T) {
	t.Parallel()
	r := start(t)
	sub, err := r.nc.SubscribeSync(nex.EventSubject(nex.DefaultNamespace, "*"))
	if err != nil {
		t.Fatal(err)
	}
	d := r.testprog("prog", "wait")
	id := r.deploy(d)
	r.undeploy(d, id)
	var story []string
	for len(story) == 0 || story[len(story)-1] != string(nex.EventWorkloadUndeployed) {
		msg, err := sub.NextMsg(patience)
		if err != nil {
			t.Fatalf("after %q: %v", story, err)
		}
		e, err := nex.DecodeEvent(msg.Data)
		if err != nil {
			t.Fatal(err)
		}
		if name, of := e.Workload(); name != "prog" || of != id || e.Source != r.node.NodeID || time.Since(e.Time) > time.Hour {
			t.Errorf("event %s is of workload %s %s on %s at %s", msg.Data, name, of, e.Source, e.Time)
		}
		chapter := string(e.Type)
		if c, err := e.StateChange(); err == nil {
			chapter = string(c.From) + " → " + string(c.To)
		}
		story = append(story, chapter)
	}
	want := []string{
		" → starting", "starting → running", "workload_deployed", "running → stopping", "stopping → stopped", "workload_undeployed",
	}
	if !slices.Equal(story, want) {
		t.Errorf("events tell %q, want %q", story, want)
	}
}
