package node_test

import (
	"net"
	"slices"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/natstest"
	"github.com/nex-engine/nex/internal/nextest"
)

// TestNATSComesBack takes the server away from under a node and its workloads, and starts another
// in its place.
func TestNATSComesBack(t *testing.T) {
	t.Parallel()
	token := unique("while-nats-is-away")
	var store string
	r := start(t, func(s *setup) { s.nats = func(o *server.Options) { store = o.StoreDir } })
	d := r.upload(r.testprog("prog", "wait", token), "prog", programBytes(t, "testprog"))
	id := r.deploy(d)
	r.awaitLine(id, "ready")
	before := r.processes(token)

	port := r.server.Addr().(*net.TCPAddr).Port
	r.server.Shutdown()
	r.server.WaitForShutdown()
	r.server = natstest.Run(t, func(o *server.Options) { o.Port, o.StoreDir = port, store })

	nextest.Await(t, "the node answers again", func() bool {
		ping, err := r.client.Ping(t.Context(), r.node.NodeID)
		return err == nil && ping.RunningMachines == 1
	})
	m := r.awaitState(id, nex.StateRunning)
	if m.Restarts != 0 || !slices.Equal(r.processes(token), before) {
		t.Errorf("workload = %+v in processes %v, want those from before, %v", m, r.processes(token), before)
	}
	r.undeploy(d, id)
	again := r.deploy(d) // what was uploaded before is there
	r.undeploy(d, again)
	r.unharmed()
}
