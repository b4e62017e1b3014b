package control_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/claims"
	"github.com/nex-engine/nex/internal/natstest"
	"github.com/nex-engine/nex/internal/workload"
)

// The texts are those that version 1 clients know, where there are any.
func TestDeployRefusals(t *testing.T) {
	t.Parallel()
	_, stranger := pair(t, nkeys.CreateServer)
	wildcards := []string{"denied.*.x", "orders.>"}
	triggers := func(subjects ...string) func(*nex.DeployRequest) {
		return func(d *nex.DeployRequest) { d.Type, d.TriggerSubjects = nex.TypeV8, subjects }
	}
	deniedText := func(subject string) string {
		return "The trigger subject " + subject + " overlaps with subject(s) in this node's deny list"
	}
	tests := []struct {
		name string
		rig  func(*rig)
		edit func(*nex.DeployRequest)
		code nex.Code
		text string
	}{
		{
			name: "full", rig: func(r *rig) { r.work.full = nex.ErrNodeFull },
			code: nex.CodeNodeFull, text: "Node is at maximum workload limit. Deploy request denied",
		},
		{
			name: "other node", edit: func(d *nex.DeployRequest) { d.TargetNode = stranger },
			code: nex.CodeWrongNode, text: "the request is for another node: send it to its target_node, or make one for node NODE",
		},
		{
			name: "type unknown", edit: func(d *nex.DeployRequest) { d.Type = "elf" },
			code: nex.CodeUnsupportedType, text: "Unsupported workload type on this node: elf",
		},
		{
			name: "type not on this node", edit: func(d *nex.DeployRequest) { d.Type = nex.TypeWasm },
			code: nex.CodeUnsupportedType, text: "Unsupported workload type on this node: wasm",
		},
		{
			name: "service with trigger", edit: func(d *nex.DeployRequest) { d.TriggerSubjects = []string{"a"} },
			code: nex.CodeUnsupportedTrigger, text: "Unsupported workload type for trigger subject registration: native",
		},
		{name: "reserved trigger", edit: triggers("fine", "$SYS.ACCOUNT.x"), code: nex.CodeTriggerDenied, text: deniedText("$SYS.ACCOUNT.x")},
		{name: "trigger over all reserved", edit: triggers(">"), code: nex.CodeTriggerDenied, text: deniedText(">")},
		{name: "trigger over a reserved token", edit: triggers("*.PING"), code: nex.CodeTriggerDenied, text: deniedText("*.PING")},
		{name: "inbox trigger", edit: triggers("_INBOX.x.y"), code: nex.CodeTriggerDenied, text: deniedText("_INBOX.x.y")},
		{
			name: "trigger in a denied wildcard", rig: func(r *rig) { r.config.DenySubjects = wildcards },
			edit: triggers("orders.new"), code: nex.CodeTriggerDenied, text: deniedText("orders.new"),
		},
		{
			name: "trigger across a denied wildcard", rig: func(r *rig) { r.config.DenySubjects = wildcards },
			edit: triggers("*.a.x"), code: nex.CodeTriggerDenied, text: deniedText("*.a.x"),
		},
		{
			name: "trigger over a denied subject", rig: func(r *rig) { r.config.DenySubjects = []string{"orders.new"} },
			edit: triggers("orders.*"), code: nex.CodeTriggerDenied, text: deniedText("orders.*"),
		},
		{
			name: "sandbox", edit: func(d *nex.DeployRequest) { d.MinSandbox = nex.SandboxGVisor },
			code: nex.CodeSandboxTooWeak, text: "the sandbox level of this node is none, below gvisor: choose a node that isolates better",
		},
		{
			name: "processors", edit: func(d *nex.DeployRequest) { d.CPUs = 2.5 },
			code: nex.CodeInsufficientResources, text: "this node has 2 processors, not 2.5: choose another, or ask for less",
		},
		{
			name: "memory that is not held", rig: func(r *rig) { r.config.Limits.Missing = "no control groups" },
			edit: func(d *nex.DeployRequest) { d.MemoryMiB = nex.MinMemoryMiB }, code: nex.CodeUnsupportedLimit,
			text: "this node cannot hold a workload to memory_mib (no control groups): leave it away, or choose another node",
		},
		{
			name: "egress that is not held", edit: func(d *nex.DeployRequest) { d.Egress = &nex.Egress{Deny: []string{"*"}} },
			code: nex.CodeUnsupportedLimit,
			text: "this node cannot hold a workload to egress, because its workloads have no network of their own: leave it away, or choose another node",
		},
		{
			name: "trigger connection without a host", edit: func(d *nex.DeployRequest) { d.TriggerConnection = &nex.Connection{URL: "nats://:4222"} },
			code: nex.CodeInvalidRequest, text: "invalid deploy request: trigger_connection.nats_url is not a NATS URL (it names no host): write nats://host:port",
		},
		{
			name: "host services of another protocol", edit: func(d *nex.DeployRequest) { d.HostServices = &nex.Connection{URL: "nats://a,ftp://u:secret@b"} },
			code: nex.CodeInvalidRequest, text: "invalid deploy request: host_services.nats_url is not a NATS URL (scheme ftp is none of nats, tls, ws, wss): write nats://host:port",
		},
		{
			name: "JWT without seed", edit: func(d *nex.DeployRequest) { d.HostServices = &nex.Connection{URL: "nats://a", UserJWT: "eyJ"} },
			code: nex.CodeInvalidRequest, text: "invalid deploy request: host_services.nats_user_jwt needs host_services.nats_user_seed, which is not given",
		},
		{
			name: "issuer", rig: func(r *rig) { _, a := pair(r.t, nkeys.CreateAccount); r.config.Verifier.ValidIssuers = []string{a} },
			code: nex.CodeInvalidIssuer, text: "invalid workload issuer: ISSUER",
		},
		{
			name: "artifact", rig: func(r *rig) { r.work.deploy = failing(nex.ErrArtifactTooLarge) },
			code: nex.CodeArtifactTooLarge, text: "Workload file size would exceed node limitations",
		},
		{
			name: "own failure", rig: func(r *rig) { r.work.deploy = failing(errors.New("disk on fire")) },
			code: nex.CodeInternal, text: "disk on fire",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.rig == nil {
				tt.rig = func(*rig) {}
			}
			if tt.edit == nil {
				tt.edit = func(*nex.DeployRequest) {}
			}
			r := newRig(t, tt.rig)
			r.wantRefusal(r.ask(r.subject(nex.OpDeploy), r.deployment(tt.edit)), nex.OpDeploy, tt.code, tt.text)
			if specs := r.work.deployed(); len(specs) > 0 && r.work.deploy == nil {
				t.Errorf("deployed %+v", specs)
			}
		})
	}
}

func failing(err error) func(context.Context, workload.Spec) (nex.State, error) {
	return func(context.Context, workload.Spec) (nex.State, error) { return "", err }
}

// Subjects near the denied ones are free.
func TestTriggersAllowed(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(r *rig) { r.config.DenySubjects = []string{"denied.*.x", "orders.new"} })
	want := []string{"denied.a", "denied.*", "denied.a.y", "orders", "orders.old", "orders.new.x", "$SYSX.a", "_INBOX"}
	msg := r.ask(r.subject(nex.OpDeploy), r.deployment(func(d *nex.DeployRequest) { d.Type, d.TriggerSubjects = nex.TypeV8, want }))
	if got := msg.Header.Get("Nats-Service-Error"); got != "" {
		t.Fatalf("refused: %s", got)
	}
	if got := r.work.deployed()[0].Triggers; len(got) != len(want) {
		t.Errorf("triggers = %q, want %q", got, want)
	}
}

// A request with many faults is refused for the one that is cheapest to find.
func TestOrderOfRefusals(t *testing.T) {
	t.Parallel()
	order := []nex.Code{
		nex.CodeLameDuck, nex.CodeNodeFull, nex.CodeInvalidNamespace, nex.CodeInvalidRequest, nex.CodeWrongNode,
		nex.CodeUnsupportedType, nex.CodeTriggerDenied, nex.CodeSandboxTooWeak, nex.CodeEnvironmentUnreadable, nex.CodeInvalidIssuer, nex.CodeArtifactNotFound,
	}
	_, stranger := pair(t, nkeys.CreateServer)
	for first, want := range order {
		t.Run(string(want), func(t *testing.T) {
			t.Parallel()
			has := func(code nex.Code) bool {
				for _, c := range order[first:] {
					if c == code {
						return true
					}
				}
				return false
			}
			r := newRig(t, func(r *rig) {
				if has(nex.CodeNodeFull) {
					r.work.full = nex.ErrNodeFull
				}
				if has(nex.CodeInvalidIssuer) {
					r.config.Verifier.ValidIssuers = []string{"A"}
				}
				r.work.deploy = failing(nex.Errorf(nex.CodeArtifactNotFound, "there is no such artifact"))
			})
			if has(nex.CodeLameDuck) {
				r.service.EnterLameDuck()
			}
			request := r.deployment(func(d *nex.DeployRequest) {
				d.Type, d.TriggerSubjects = nex.TypeV8, []string{"js.echo"}
				if has(nex.CodeInvalidRequest) {
					d.Location = nex.Location{Scheme: "ftp"}
				}
				if has(nex.CodeWrongNode) {
					d.TargetNode = stranger
				}
				if has(nex.CodeUnsupportedType) {
					d.Type = nex.TypeWasm
				}
				if has(nex.CodeTriggerDenied) {
					d.TriggerSubjects = []string{"$JS.API.x"}
				}
				if has(nex.CodeSandboxTooWeak) {
					d.MinSandbox = nex.SandboxMicroVM
				}
				if has(nex.CodeEnvironmentUnreadable) {
					d.Environment, d.SenderPublicKey = "?", r.xkey
				}
			})
			subject := r.subject(nex.OpDeploy)
			if has(nex.CodeInvalidNamespace) {
				subject = "$NEX.DEPLOY.system." + r.node
			}
			if got := codeOf(t, r.ask(subject, request).Data); got != want {
				t.Errorf("code = %s, want %s", got, want)
			}
		})
	}
}

// codeOf is the code of a reply.
func codeOf(t *testing.T, body []byte) nex.Code {
	t.Helper()
	return nex.CodeOf(nex.DecodeReply("", body, nil))
}

func TestRefusedRequests(t *testing.T) {
	t.Parallel()
	_, stranger := pair(t, nkeys.CreateServer)
	r := newRig(t)
	wrongNode := r.stopping("w1")
	wrongNode.TargetNode = stranger
	otherWorkload := r.stopping("w1")
	otherWorkload.WorkloadID = "w2"
	tooLarge := bytes.Repeat([]byte(" "), nex.MaxRequestBytes+1)
	tests := []struct {
		name, subject string
		op            nex.Op
		body          any
		code          nex.Code
		text          string
	}{
		{
			"deploy: empty", r.subject(nex.OpDeploy), nex.OpDeploy, nil,
			nex.CodeInvalidRequest, "the request is empty: send a JSON object",
		},
		{
			"deploy: no JSON", r.subject(nex.OpDeploy), nex.OpDeploy, "hello",
			nex.CodeInvalidRequest, "the request is malformed: it is not JSON (at byte 1)",
		},
		{
			"deploy: too large", r.subject(nex.OpDeploy), nex.OpDeploy, tooLarge,
			nex.CodeRequestTooLarge, "the request has 1048577 bytes, more than the 1048576 allowed",
		},
		{
			"deploy: unsigned", r.subject(nex.OpDeploy), nex.OpDeploy, `{"type":"native","location":"nats://B/k"}`,
			nex.CodeInvalidClaims, "invalid deploy request: workload_jwt is missing: sign the request with an issuer key",
		},
		{
			"deploy: into the nodes' own namespace", "$NEX.DEPLOY.system." + r.node, nex.OpDeploy, r.deployment(),
			nex.CodeInvalidNamespace, `namespace "system" is reserved for the nodes themselves: choose another`,
		},
		{
			"deploy: wildcard in the subject", "$NEX.DEPLOY.*." + r.node, nex.OpDeploy, r.deployment(),
			nex.CodeInvalidNamespace, `invalid namespace "*": use only letters, digits, _ and -`,
		},
		{
			"stop: another node", r.subject(nex.OpStop), nex.OpStop, wrongNode,
			nex.CodeWrongNode, "the request is for another node: send it to its target_node, or make one for node NODE",
		},
		{
			"stop: another workload", r.subject(nex.OpStop), nex.OpStop, otherWorkload,
			nex.CodeInvalidClaims, "the claims were signed for another workload: sign data.workload with the id to stop",
		},
		{
			"stop: another namespace", "$NEX.STOP.other." + r.node, nex.OpStop, r.stopping("w1"),
			nex.CodeInvalidClaims, "the claims were signed for another namespace: sign the request for namespace other",
		},
		{
			"stop: empty", r.subject(nex.OpStop), nex.OpStop, nil,
			nex.CodeInvalidRequest, "the request is empty: send a JSON object",
		},
		{
			"info: wildcard in the subject", "$NEX.INFO.*." + r.node, nex.OpInfo, nil,
			nex.CodeInvalidNamespace, `invalid namespace "*": use only letters, digits, _ and -`,
		},
		{
			"info: space in the subject", "$NEX.INFO.größe." + r.node, nex.OpInfo, nil,
			nex.CodeInvalidNamespace, `invalid namespace "größe": use only letters, digits, _ and -`,
		},
		{
			"workload ping: wildcard in the subject", "$NEX.WPING.default.*", nex.OpWorkloadPing, nil,
			nex.CodeInvalidRequest, `subject "$NEX.WPING.default.*" is no operation of the control API`,
		},
		{
			"auction: unknown level", "$NEX.AUCTION", nex.OpAuction, `{"min_sandbox":"vault"}`,
			nex.CodeInvalidRequest, `invalid auction request: min_sandbox "vault" is none of none, gvisor, microvm`,
		},
		{
			"logs: too many", r.subject(nex.OpLogs), nex.OpLogs, `{"lines":1001}`,
			nex.CodeInvalidRequest, "invalid logs request: lines must be between 0 and 1000",
		},
		{
			"ping: too large", "$NEX.PING." + r.node, nex.OpPing, tooLarge,
			nex.CodeRequestTooLarge, "the request has 1048577 bytes, more than the 1048576 allowed",
		},
		{
			"lame duck: no JSON", "$NEX.LAMEDUCK." + r.node, nex.OpLameDuck, "now!",
			nex.CodeInvalidRequest, "the request is malformed: it is not JSON (at byte 2)",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r.t = t
			r.wantRefusal(r.ask(tt.subject, tt.body), tt.op, tt.code, tt.text)
		})
	}
	if n := len(r.work.deployed()) + len(r.work.stopped()); n > 0 {
		t.Errorf("%d refused requests got through", n)
	}
	if got := r.service.Tags()[nex.TagLameDuck]; got != "false" {
		t.Errorf("tag %s = %s", nex.TagLameDuck, got)
	}
}

func TestLameDuckRefusesDeploysOnly(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(r *rig) { r.work.list = twoNamespaces() })
	r.ask("$NEX.LAMEDUCK."+r.node, nil)
	r.wantRefusal(r.ask(r.subject(nex.OpDeploy), "not even JSON"), nex.OpDeploy, nex.CodeLameDuck,
		"Node is in lame duck mode. Workload deploy request denied")
	r.wantReply(r.ask(r.subject(nex.OpStop), r.stopping("w1")),
		`{"type":"io.nats.nex.v1.stop_response","data":{"stopped":true,"id":"w1","issuer":"ISSUER","name":"echo"},"error":null}`)
	var ping nex.PingResponse
	if err := nex.DecodeReply(nex.PingResponseType, r.ask("$NEX.PING", nil).Data, &ping); err != nil {
		t.Fatal(err)
	}
	if got := ping.Tags[nex.TagLameDuck]; got != "true" {
		t.Errorf("tag %s = %q, want true", nex.TagLameDuck, got)
	}
	var bid nex.AuctionResponse
	if err := nex.DecodeReply(nex.AuctionResponseType, r.ask("$NEX.AUCTION", `{"explain":true}`).Data, &bid); err != nil {
		t.Fatal(err)
	}
	if bid.Bids() || len(bid.Reasons) != 1 || bid.Reasons[0] != "the node is in lame duck mode" {
		t.Errorf("bid = %v, reasons = %q", bid.Bids(), bid.Reasons)
	}
}

// Claims are good for one request.
func TestClaimsReplayed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	deployment, stopping := r.deployment(), r.stopping("w1")
	const text = "the claims were used before: sign the request anew"
	r.ask(r.subject(nex.OpDeploy), deployment)
	r.wantRefusal(r.ask(r.subject(nex.OpDeploy), deployment), nex.OpDeploy, nex.CodeClaimsReplayed, text)
	r.ask(r.subject(nex.OpStop), stopping)
	r.wantRefusal(r.ask(r.subject(nex.OpStop), stopping), nex.OpStop, nex.CodeClaimsReplayed, text)
	if d, s := len(r.work.deployed()), len(r.work.stopped()); d != 1 || s != 1 {
		t.Errorf("%d deploys and %d stops got through, want one each", d, s)
	}
}

// An answer that NATS would not carry is told to be one, rather than never sent.
func TestAnswerTooLarge(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t, func(o *server.Options) { o.JetStream, o.MaxPayload = false, 4096 })
	r := rigOn(t, s, func(r *rig) {
		for range 20 {
			r.work.list = append(r.work.list, twoNamespaces()...)
		}
	})
	msg := r.ask(r.subject(nex.OpInfo), nil)
	var refusal *nex.Error
	if err := nex.DecodeReply(nex.InfoResponseType, msg.Data, nil); !errors.As(err, &refusal) || refusal.Code != nex.CodeInternal {
		t.Fatalf("error = %v, want one with code %s", err, nex.CodeInternal)
	}
	if want := "more than the 4096 that the NATS server lets through: raise its max_payload"; !bytes.HasSuffix([]byte(refusal.Message), []byte(want)) {
		t.Errorf("message = %q, want it to end with %q", refusal.Message, want)
	}
}

// Who holds claims for one thing cannot use them for another.
func TestClaimsOfAnotherRequest(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	changed := r.deployment()
	changed.Argv = []string{"--evil"}
	r.wantRefusal(r.ask(r.subject(nex.OpDeploy), changed), nex.OpDeploy, nex.CodeInvalidClaims,
		"the claims were signed for another deploy request: sign this one")
	started := r.deployment()
	stop := nex.StopRequest{WorkloadID: "w1", WorkloadJWT: started.WorkloadJWT}
	if got := codeOf(t, r.ask(r.subject(nex.OpStop), stop).Data); got != nex.CodeInvalidClaims {
		t.Errorf("start claims for a stop: code = %s, want %s", got, nex.CodeInvalidClaims)
	}
	elsewhere := r.deployment()
	elsewhere.WorkloadJWT = r.sign(claims.Claims{Subject: "echo", Hash: digest, Node: r.node, Namespace: "other", Request: elsewhere.Digest()})
	r.wantRefusal(r.ask(r.subject(nex.OpDeploy), elsewhere), nex.OpDeploy, nex.CodeInvalidClaims,
		"the claims were signed for another namespace: sign the request for namespace default")
}
