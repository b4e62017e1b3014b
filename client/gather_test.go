package client_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
)

// ids are the nodes that answered, in order.
func ids(nodes []nex.PingResponse) []string {
	var ids []string
	for _, n := range nodes {
		ids = append(ids, n.NodeID)
	}
	return ids
}

func wantIDs(t *testing.T, nodes []nex.PingResponse, want ...string) {
	t.Helper()
	if got := ids(nodes); !slices.Equal(got, want) {
		t.Errorf("nodes = %q, want %q", got, want)
	}
}

func ping(t *testing.T, id string) string {
	t.Helper()
	return reply(t, nex.OpPing, nex.PingResponse{NodeID: id})
}

// Without anybody who listens there is nothing to wait for.
func TestGatherNoResponders(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{Wait: ages, Stall: ages})
	nodes, err := r.client.Discover(t.Context())
	if err != nil || len(nodes) != 0 {
		t.Errorf("nodes = %v, %v, want none", nodes, err)
	}
	bids, err := r.client.Auction(t.Context(), nex.AuctionRequest{})
	if err != nil || len(bids) != 0 {
		t.Errorf("bids = %v, %v, want none", bids, err)
	}
	found, err := r.client.FindWorkloads(t.Context(), "")
	if err != nil || len(found) != 0 {
		t.Errorf("workloads = %v, %v, want none", found, err)
	}
}

// The first answer may take longer than the stall time.
func TestGatherWaitsForFirstAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{Wait: ages, Stall: 10 * time.Millisecond})
	body := ping(t, nodeA)
	r.on("$NEX.PING", func(m *nats.Msg) {
		time.Sleep(100 * time.Millisecond) // a slow node
		r.respond(m, body)
	})
	nodes, err := r.client.Discover(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantIDs(t, nodes, nodeA)
}

func TestGatherGivesUpOnFirstAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{Wait: 20 * time.Millisecond, Stall: ages})
	r.on("$NEX.PING", func(*nats.Msg) {})
	if nodes, err := r.client.Discover(t.Context()); err != nil || len(nodes) != 0 {
		t.Errorf("nodes = %v, %v, want none", nodes, err)
	}
}

// The wait begins anew with each answer, and whoever is later than that is not waited for.
func TestGatherEndsByStall(t *testing.T) {
	t.Parallel()
	const stall = 1500 * time.Millisecond
	r := newRig(t, client.Config{Wait: ages, Stall: stall})
	bodies := []string{ping(t, nodeA), ping(t, nodeB), ping(t, nodeA)}
	over := make(chan struct{})
	r.on("$NEX.PING", func(m *nats.Msg) {
		for _, body := range bodies { // together they take longer than the stall time
			r.respond(m, body)
			time.Sleep(stall * 2 / 5)
		}
		time.Sleep(stall / 10)
		r.respond(m, ping(t, nodeB))
		<-over // late
	})
	nodes, err := r.client.Discover(t.Context())
	close(over)
	if err != nil {
		t.Fatal(err)
	}
	wantIDs(t, nodes, nodeA, nodeB, nodeA, nodeB)
}

// Somebody who answers for ever does not keep the caller for ever.
func TestGatherEndsInAnyCase(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{Wait: 200 * time.Millisecond, Timeout: 200 * time.Millisecond, Stall: ages})
	body := ping(t, nodeA)
	over := make(chan struct{})
	ended := make(chan struct{})
	r.on("$NEX.PING", func(m *nats.Msg) {
		defer close(ended)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			r.respond(m, body)
			select {
			case <-over:
				return
			case <-tick.C:
			}
		}
	})
	nodes, err := r.client.Discover(t.Context())
	close(over)
	receive(t, ended)
	if err != nil || len(nodes) == 0 {
		t.Errorf("%d nodes, %v, want many", len(nodes), err)
	}
}

// What is no answer does not hide those that are.
func TestGatherSkipsMalformedAnswers(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{Wait: ages, Stall: 300 * time.Millisecond})
	good := ping(t, nodeA)
	r.on("$NEX.PING", func(m *nats.Msg) {
		for _, body := range []string{
			"", "pong", "[]", "{}", `{"type":"io.nats.nex.v1.info_response","data":{"node_id":"x"}}`,
			`{"type":"io.nats.nex.v1.ping_response","data":"x"}`, `{"type":"io.nats.nex.v1.ping_response"}`,
			refusal(nex.OpPing, nex.ErrLameDuck), `{"type":"","data":"","error":"broken"}`,
			good, strings.Repeat("x", 1<<20),
		} {
			r.respond(m, body)
		}
	})
	nodes, err := r.client.Discover(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantIDs(t, nodes, nodeA)
}

// When nodes say nothing but what is wrong with the request, the caller hears it.
func TestGatherRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{Wait: ages, Stall: 200 * time.Millisecond})
	r.on("$NEX.AUCTION", func(m *nats.Msg) {
		r.respond(m, "what?")
		r.respond(m, refusal(nex.OpAuction, nex.Errorf(nex.CodeInvalidRequest, "min_sandbox is wrong")))
		r.respond(m, refusal(nex.OpAuction, nex.ErrLameDuck))
	})
	bids, err := r.client.Auction(t.Context(), nex.AuctionRequest{MinSandbox: "vault"})
	wantCode(t, err, nex.CodeInvalidRequest, "min_sandbox is wrong")
	if len(bids) != 0 {
		t.Errorf("bids = %v besides the error", bids)
	}
}

func TestGatherCanceled(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{Wait: ages, Stall: ages})
	why := errors.New("lost interest")
	ctx, cancel := context.WithCancelCause(t.Context())
	r.on("$NEX.PING", func(*nats.Msg) { cancel(why) })
	if nodes, err := r.client.Discover(ctx); !errors.Is(err, why) {
		t.Errorf("nodes = %v, error = %v, want %v", nodes, err, why)
	}
}

// What came before the end is returned with the reason for the end.
func TestGatherAnswersSoFar(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{Wait: ages, Stall: ages})
	r.on("$NEX.PING", r.answers(ping(t, nodeA)))
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	nodes, err := r.client.Discover(ctx)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error = %v, want %v", err, context.DeadlineExceeded)
	}
	wantIDs(t, nodes, nodeA)
}

func TestGatherConnectionClosed(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{Wait: ages, Stall: ages})
	r.on("$NEX.PING", func(*nats.Msg) { r.nc.Close() })
	for range 2 { // while it waits, and before it begins
		if _, err := r.client.Discover(t.Context()); !errors.Is(err, nats.ErrConnectionClosed) && !errors.Is(err, nats.ErrBadSubscription) {
			t.Errorf("error = %v, want %v", err, nats.ErrConnectionClosed)
		}
	}
}

func TestDiscoverAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{})
	// As a version 1 node sends it.
	r.on("$NEX.PING", func(m *nats.Msg) {
		if len(m.Data) != 0 {
			t.Errorf("body = %s, want none", m.Data)
		}
		r.respond(m, `{"type":"io.nats.nex.v1.ping_response","data":{"node_id":"`+nodeA+`","version":"0.2.7","uptime":"1s",`+
			`"target_xkey":"X","tags":{"nex.os":"linux"},"running_machines":2},"error":""}`)
	})
	nodes, err := r.client.Discover(t.Context())
	if err != nil || len(nodes) != 1 {
		t.Fatalf("nodes = %v, %v, want one", nodes, err)
	}
	if n := nodes[0]; n.NodeID != nodeA || n.Version != "0.2.7" || n.TargetXkey != "X" || n.Tags[nex.TagOS] != "linux" || n.RunningMachines != 2 {
		t.Errorf("node = %+v", n)
	}
}

func TestAuction(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{})
	asked := make(chan nex.AuctionRequest, 1)
	no := false
	refuses := reply(t, nex.OpAuction, nex.AuctionResponse{PingResponse: nex.PingResponse{NodeID: nodeB}, Bid: &no, Reasons: []string{"full"}})
	r.on("$NEX.AUCTION", func(m *nats.Msg) {
		asked <- decode[nex.AuctionRequest](t, m.Data)
		// A version 1 node sends no bid.
		r.respond(m, `{"type":"io.nats.nex.v1.auction_response","data":{"node_id":"`+nodeA+`"},"error":null}`)
		r.respond(m, refuses)
	})
	bids, err := r.client.Auction(t.Context(), nex.AuctionRequest{OS: "linux", Explain: true})
	if err != nil || len(bids) != 2 {
		t.Fatalf("bids = %v, %v, want two", bids, err)
	}
	if !bids[0].Bids() || bids[0].NodeID != nodeA || bids[1].Bids() || bids[1].Reasons[0] != "full" {
		t.Errorf("bids = %+v", bids)
	}
	if q := receive(t, asked); q.OS != "linux" || !q.Explain {
		t.Errorf("request = %+v", q)
	}
}

func TestFindWorkloads(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{Namespace: "shop"})
	found := reply(t, nex.OpWorkloadPing, nex.WorkloadPingResponse{
		NodeID: nodeA, RunningMachines: []nex.WorkloadPing{{ID: "w1", Namespace: "shop", Name: "cart", Type: nex.TypeNative}},
	})
	for _, subject := range []string{"$NEX.WPING.shop", "$NEX.WPING.shop.cart"} {
		r.on(subject, r.answers(found))
	}
	for _, name := range []string{"", "cart"} {
		got, err := r.client.FindWorkloads(t.Context(), name)
		if err != nil || len(got) != 1 || got[0].RunningMachines[0].ID != "w1" {
			t.Errorf("%q: workloads = %+v, %v", name, got, err)
		}
	}
	_, err := r.client.FindWorkloads(t.Context(), "no.name")
	wantCode(t, err, nex.CodeInvalidRequest, "")
	// Not to be taken for a name in the namespace no.
	_, err = client.New(r.nc, client.Config{Namespace: "no.name"}).FindWorkloads(t.Context(), "")
	wantCode(t, err, nex.CodeInvalidNamespace, "no.name")
}
