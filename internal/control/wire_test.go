package control_test

import (
	"context"
	"strings"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/claims"
	"github.com/nex-engine/nex/internal/workload"
)

// What a reply looks like, byte by byte: other programs read them.
func TestReplies(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(r *rig) { r.work.list = twoNamespaces() })
	const ping = `"node_id":"NODE","nexus":"test","version":"VERSION","uptime":"8m47s","target_xkey":"XKEY",` +
		`"tags":{"nex.lameduck":"false","zone":"a"},"running_machines":3`
	const workloadPing = `{"type":"io.nats.nex.v1.ping_response","data":{"node_id":"NODE","target_xkey":"XKEY","version":"VERSION",` +
		`"tags":{"nex.lameduck":"false","zone":"a"},"uptime":"8m47s","running_machines":[` +
		`{"id":"w1","namespace":"default","name":"echo","type":"native"}]},"error":null}`
	const node = `{"type":"io.nats.nex.v1.info_response","data":{"version":"VERSION","uptime":"8m47s","public_xkey":"XKEY",` +
		`"tags":{"nex.lameduck":"false","zone":"a"},"available_agents":1,`
	const types = `,"supported_workload_types":["native","v8"]},"error":null}`
	tests := []struct {
		name, subject string
		body          any
		want          string
	}{
		{"ping", "$NEX.PING", nil, `{"type":"io.nats.nex.v1.ping_response","data":{` + ping + `},"error":null}`},
		{"ping with a body", "$NEX.PING", "hello", `{"type":"io.nats.nex.v1.ping_response","data":{` + ping + `},"error":null}`},
		{"ping of a node", "$NEX.PING." + r.node, nil, `{"type":"io.nats.nex.v1.ping_response","data":{` + ping + `},"error":null}`},
		{"auction", "$NEX.AUCTION", nil, `{"type":"io.nats.nex.v1.auction_response","data":{` + ping + `,"bid":true},"error":null}`},
		{
			"auction, classic",
			"$NEX.AUCTION", `{"arch":"amd64","os":"linux","sandboxed":false,"tags":{"zone":"A"},"workload_types":["native","v8"]}`,
			`{"type":"io.nats.nex.v1.auction_response","data":{` + ping + `,"bid":true},"error":null}`,
		},
		{
			"auction, explained",
			"$NEX.AUCTION", `{"os":"plan9","workload_types":["wasm"],"min_sandbox":"gvisor","explain":true}`,
			`{"type":"io.nats.nex.v1.auction_response","data":{` + ping + `,"bid":false,"reasons":["the operating system is linux, not plan9",` +
				`"the sandbox level is none, below gvisor","workloads of type wasm are not supported"]},"error":null}`,
		},
		{"workload ping by name", "$NEX.WPING.default.echo", nil, workloadPing},
		{"workload ping by id", "$NEX.WPING.default.w1", nil, workloadPing},
		{"workload ping of all", "$NEX.WPING.default", nil, workloadPing},
		{
			"info",
			r.subject(nex.OpInfo), nil,
			node + `"machines":[{"id":"w1","healthy":true,"uptime":"8m47s","namespace":"default","workload":{"id":"w1","name":"echo",` +
				`"description":"says it again","essential":true,"runtime":"8m47s","type":"native","hash":"` + digest + `","restart":"always"},` +
				`"state":"running","sandbox":"none","restarts":2,"reason":"the program runs"},` +
				`{"id":"w2","healthy":false,"uptime":"8m47s","namespace":"default","workload":{"id":"w2","name":"job",` +
				`"essential":false,"runtime":"8m47s","type":"native","hash":"","restart":"never"},` +
				`"state":"failed","sandbox":"none","restarts":0,"reason":"the program ended with status 3"}]` + types,
		},
		{
			"info of another namespace",
			"$NEX.INFO.other." + r.node, nil,
			node + `"machines":[{"id":"w3","healthy":false,"uptime":"8m47s","namespace":"other","workload":{"id":"w3","name":"echo",` +
				`"description":"says it again","essential":true,"runtime":"8m47s","type":"native","hash":"","restart":"always"},` +
				`"state":"starting","restarts":0}]` + types,
		},
		{"info of a namespace without workloads", "$NEX.INFO.none." + r.node, nil, node + `"machines":[]` + types},
		{"info of the nodes' own namespace", "$NEX.INFO.system." + r.node, nil, node + `"machines":[]` + types},
		{
			"stop",
			r.subject(nex.OpStop), r.stopping("w1"),
			`{"type":"io.nats.nex.v1.stop_response","data":{"stopped":true,"id":"w1","issuer":"ISSUER","name":"echo"},"error":null}`,
		},
		{"logs", r.subject(nex.OpLogs), nil, `{"type":"io.nats.nex.v1.logs_response","data":{"lines":[]},"error":null}`},
		{
			"lame duck",
			"$NEX.LAMEDUCK." + r.node, nil,
			`{"type":"io.nats.nex.v1.lameduck_response","data":{"node_id":"NODE","success":true},"error":null}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r.t = t
			r.wantReply(r.ask(tt.subject, tt.body), tt.want)
		})
	}
}

func TestDeployReply(t *testing.T) {
	t.Parallel()
	for _, state := range []nex.State{nex.StateRunning, nex.StateStarting} {
		t.Run(string(state), func(t *testing.T) {
			r := newRig(t, func(r *rig) {
				r.work.deploy = func(context.Context, workload.Spec) (nex.State, error) { return state, nil }
			})
			msg := r.ask(r.subject(nex.OpDeploy), r.deployment())
			specs := r.work.deployed()
			if len(specs) != 1 {
				t.Fatalf("%d workloads were deployed, want 1", len(specs))
			}
			msg.Data = []byte(strings.Replace(string(msg.Data), specs[0].ID, "ID", 1))
			r.wantReply(msg, `{"type":"io.nats.nex.v1.run_response","data":{"started":true,"id":"ID","issuer":"ISSUER","name":"echo","state":"`+
				string(state)+`","sandbox":"none"},"error":null}`)
		})
	}
}

// A failure that comes after the checks is told like a refusal.
func TestLateFailures(t *testing.T) {
	t.Parallel()
	const text = "start program:\nno such file"
	r := newRig(t, func(r *rig) {
		r.work.deploy = func(context.Context, workload.Spec) (nex.State, error) {
			return "", nex.Errorf(nex.CodeStartFailed, text)
		}
		r.work.stop = func(context.Context, stopCall) error { return nex.ErrWorkloadNotFound }
	})
	msg := r.ask(r.subject(nex.OpDeploy), r.deployment())
	if got, want := msg.Header.Get("Nats-Service-Error"), "start program: no such file"; got != want {
		t.Errorf("Nats-Service-Error = %q, want %q on one line", got, want)
	}
	msg.Header.Set("Nats-Service-Error", text)
	r.wantRefusal(msg, nex.OpDeploy, nex.CodeStartFailed, text)
	r.wantRefusal(r.ask(r.subject(nex.OpStop), r.stopping("w1")), nex.OpStop, nex.CodeWorkloadNotFound, "no such workload")
}

func TestStopGrace(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, tt := range []struct {
		millis int
		want   time.Duration
	}{
		{0, workload.DefaultGrace},
		{1, time.Millisecond},
		{nex.MaxGraceMillis, 5 * time.Minute},
	} {
		request := r.stopping("w1")
		request.GraceMillis = tt.millis
		r.ask(r.subject(nex.OpStop), request)
		stops := r.work.stopped()
		want := stopCall{namespace, "w1", "echo", r.public(r.issuer), tt.want}
		if got := stops[len(stops)-1]; got != want {
			t.Errorf("grace_ms %d: stop = %+v, want %+v", tt.millis, got, want)
		}
	}
}

func TestLameDuckClaims(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(r *rig) { r.config.Verifier.ValidIssuers = []string{r.public(r.issuer)} })
	subject := "$NEX.LAMEDUCK." + r.node
	r.wantRefusal(r.ask(subject, nil), nex.OpLameDuck, nex.CodeInvalidClaims,
		"this node has valid_issuers: sign the lame duck request with one of them")
	if got := r.service.Tags()[nex.TagLameDuck]; got != "false" {
		t.Errorf("tag %s = %s after a refusal", nex.TagLameDuck, got)
	}
	request := nex.LameDuckRequest{JWT: r.sign(claims.Claims{Subject: r.node, Node: r.node})}
	r.wantReply(r.ask(subject, request), `{"type":"io.nats.nex.v1.lameduck_response","data":{"node_id":"NODE","success":true},"error":null}`)
}
