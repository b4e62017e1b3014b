package agentlink_test

import (
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/natstest"
)

// Whoever listens where a node that was killed did listen must not get at its agents.
func TestLinkIsLostForGood(t *testing.T) {
	node := natstest.Run(t, func(o *server.Options) { o.AlwaysEnableNonce = true })
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := agentlink.Dial(agentlink.Bootstrap{AgentID: "A", URL: node.ClientURL(), Seed: string(seed)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	port := node.Addr().String()
	node.Shutdown()
	node.WaitForShutdown()
	impostor := natstest.Run(t, func(o *server.Options) { o.Port, o.AlwaysEnableNonce = portOf(t, port), true })
	select {
	case <-conn.Lost():
	case <-time.After(5 * time.Second):
		t.Fatal("the link is not lost although the node is gone")
	}
	if n := impostor.NumClients(); n != 0 {
		t.Errorf("the server that took the node's address has %d clients, want none", n)
	}
}

func portOf(t *testing.T, address string) int {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
