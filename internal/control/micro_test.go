package control_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/nats-io/nats.go/micro"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/control"
	"github.com/nex-engine/nex/internal/natstest"
)

// What "nats micro ls", "info" and "stats" read.
func micros[T any](r *rig, verb string) T {
	r.t.Helper()
	var answer T
	if err := json.Unmarshal(r.ask("$SRV."+verb+"."+control.ServiceName, nil).Data, &answer); err != nil {
		r.t.Fatal(err)
	}
	return answer
}

func TestMicroService(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ping := micros[micro.Ping](r, "PING")
	if ping.Name != "nex-node" || ping.Version != nex.Version || ping.Metadata["node_id"] != r.node || ping.Metadata["nexus"] != "test" {
		t.Errorf("ping = %+v", ping)
	}
	info := micros[micro.Info](r, "INFO")
	if want := "Nex node " + r.node; info.Description != want {
		t.Errorf("description = %q, want %q", info.Description, want)
	}
	got := map[string]string{}
	for _, e := range info.Endpoints {
		got[e.Name] = e.Subject
		if e.QueueGroup != "" {
			t.Errorf("endpoint %s is in queue group %q: only one node of many would answer", e.Name, e.QueueGroup)
		}
	}
	want := map[string]string{
		"PING": "$NEX.PING", "PING-NODE": "$NEX.PING." + r.node, "AUCTION": "$NEX.AUCTION", "WPING": "$NEX.WPING.*", "WPING-WORKLOAD": "$NEX.WPING.*.*",
		"INFO": "$NEX.INFO.*." + r.node, "DEPLOY": "$NEX.DEPLOY.*." + r.node, "STOP": "$NEX.STOP.*." + r.node, "LOGS": "$NEX.LOGS.*." + r.node,
		"LAMEDUCK": "$NEX.LAMEDUCK." + r.node,
	}
	if len(got) != len(want) {
		t.Errorf("endpoints = %v, want %v", got, want)
	}
	for name, subject := range want {
		if got[name] != subject {
			t.Errorf("endpoint %s is at %q, want %q", name, got[name], subject)
		}
	}
}

func TestMicroStats(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.ask("$NEX.PING", nil)
	r.ask(r.subject(nex.OpDeploy), r.deployment())
	r.ask(r.subject(nex.OpDeploy), "not JSON")
	r.ask(r.subject(nex.OpDeploy), nil)
	// A request is counted after it was answered; the next one of its endpoint is looked at after that.
	r.ask("$NEX.PING", nil)
	r.ask(r.subject(nex.OpDeploy), nil)
	stats := micros[micro.Stats](r, "STATS")
	if e := endpoint(t, stats, "PING"); e.NumRequests < 1 || e.NumErrors != 0 {
		t.Errorf("PING: %d requests, %d errors", e.NumRequests, e.NumErrors)
	}
	e := endpoint(t, stats, "DEPLOY")
	if e.NumRequests < 3 || e.NumErrors != e.NumRequests-1 {
		t.Errorf("DEPLOY: %d requests, %d errors, want all but the first", e.NumRequests, e.NumErrors)
	}
	if want := "400:the request is empty: send a JSON object"; e.LastError != want {
		t.Errorf("DEPLOY: last error = %q, want %q", e.LastError, want)
	}
}

func endpoint(t *testing.T, stats micro.Stats, name string) *micro.EndpointStats {
	t.Helper()
	i := slices.IndexFunc(stats.Endpoints, func(e *micro.EndpointStats) bool { return e.Name == name })
	if i < 0 {
		t.Fatalf("no endpoint %s in %+v", name, stats)
	}
	return stats.Endpoints[i]
}

// Every node answers a request to all of them.
func TestManyNodes(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	first, second := rigOn(t, s), rigOn(t, s)
	inbox := first.nc.NewInbox()
	answers := first.subscribe(inbox)
	if err := first.nc.PublishRequest("$NEX.PING", inbox, nil); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for range 2 {
		var ping nex.PingResponse
		if err := nex.DecodeReply(nex.PingResponseType, next(t, answers).Data, &ping); err != nil {
			t.Fatal(err)
		}
		got[ping.NodeID] = true
	}
	if !got[first.node] || !got[second.node] {
		t.Errorf("answers of %v, want %s and %s", got, first.node, second.node)
	}
}

// Who may ask cannot have the node publish where only others may: neither its answers do anything there, nor
// are there any.
func TestReplySubjects(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	lameDuck := nex.Request{Op: nex.OpLameDuck, Node: r.node}.Subject()
	replies := []string{lameDuck, "$NEX.events.default.forged", "$KV.bucket.key", "$JS.API.STREAM.DELETE.S", "$O.bucket.C.x", "$SYS.x", "$SRV.PING"}
	for _, asked := range []string{"$NEX.PING", "$NEX.AUCTION", r.subject(nex.OpInfo), r.subject(nex.OpLogs), r.subject(nex.OpDeploy), r.subject(nex.OpStop)} {
		for _, reply := range replies {
			sub := r.subscribe(reply)
			if err := r.nc.PublishRequest(asked, reply, nil); err != nil {
				t.Fatal(err)
			}
			r.ask(asked, nil) // is answered after that
			if n, _, err := sub.Pending(); err != nil || n > 0 {
				t.Errorf("%s: there are %d answers on %s, %v", asked, n, reply, err)
			}
			if err := sub.Unsubscribe(); err != nil {
				t.Fatal(err)
			}
		}
	}
	// The library answers for micro services, wherever it is told to.
	for _, verb := range []string{"PING", "INFO", "STATS"} {
		if err := r.nc.PublishRequest("$SRV."+verb+".nex-node", lameDuck, nil); err != nil {
			t.Fatal(err)
		}
		r.ask("$SRV."+verb+".nex-node", nil)
	}
	r.wantRefusal(r.ask(lameDuck, `{"type":"io.nats.micro.v1.ping_response"}`), nex.OpLameDuck, nex.CodeInvalidRequest,
		`invalid lame duck request: it is an answer of type "io.nats.micro.v1.ping_response" to another request`)
	if got := r.service.Tags()[nex.TagLameDuck]; got != "false" {
		t.Errorf("the node's tag is %q", got)
	}
}
