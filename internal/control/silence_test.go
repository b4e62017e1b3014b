package control_test

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	nex "github.com/nex-engine/nex"
)

// The requests of one endpoint are answered in order, so what is answered first was asked last: the
// node has kept silent about the one before.
func TestSilence(t *testing.T) {
	t.Parallel()
	const workloadPing = `"running_machines":[{"id":"w3","namespace":"other","name":"echo","type":"native"}]`
	tests := []struct {
		name, silent string
		body         string
		heard        string
		heardBody    string
		want         string // part of the first answer
	}{
		{"auction of another system", "$NEX.AUCTION", `{"os":"plan9"}`, "$NEX.AUCTION", `{"os":"linux"}`, `"bid":true`},
		{"auction of another architecture", "$NEX.AUCTION", `{"arch":"arm64"}`, "$NEX.AUCTION", "", `"bid":true`},
		{"auction of a sandbox", "$NEX.AUCTION", `{"sandboxed":true}`, "$NEX.AUCTION", `{"sandboxed":false}`, `"bid":true`},
		{"auction of a level", "$NEX.AUCTION", `{"min_sandbox":"microvm"}`, "$NEX.AUCTION", `{"min_sandbox":"none"}`, `"bid":true`},
		{"auction of a type", "$NEX.AUCTION", `{"workload_types":["native","wasm"]}`, "$NEX.AUCTION", "", `"bid":true`},
		{"auction of a tag", "$NEX.AUCTION", `{"tags":{"zone":"b"}}`, "$NEX.AUCTION", `{"tags":{"zone":"A"}}`, `"bid":true`},
		{"auction of memory", "$NEX.AUCTION", `{"memory_mib":1000000000}`, "$NEX.AUCTION", `{"os":"plan9","explain":true}`, `"bid":false`},
		{"workload ping of nothing", "$NEX.WPING.none", "", "$NEX.WPING.other", "", workloadPing},
		{"workload ping of an unknown name", "$NEX.WPING.other.job", "", "$NEX.WPING.other.echo", "", workloadPing},
		{"workload ping of another namespace's", "$NEX.WPING.default.w3", "", "$NEX.WPING.other.w3", "", workloadPing},
		{"workload ping of what ended", "$NEX.WPING.default.w2", "", "$NEX.WPING.other.echo", "", workloadPing},
		{"workload ping of the nodes' own", "$NEX.WPING.system", "", "$NEX.WPING.other", "", workloadPing},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(r *rig) { r.work.list = twoNamespaces() })
			inbox := r.nc.NewInbox()
			answers := r.subscribe(inbox)
			for _, q := range []struct{ subject, body string }{{tt.silent, tt.body}, {tt.heard, tt.heardBody}} {
				if err := r.nc.PublishRequest(q.subject, inbox, []byte(q.body)); err != nil {
					t.Fatal(err)
				}
			}
			msg := next(t, answers)
			if got := string(msg.Data); !strings.Contains(got, tt.want) {
				t.Errorf("answer = %s, want %s in it", got, tt.want)
			}
			if n, _, _ := answers.Pending(); n != 0 {
				t.Errorf("%d more answers", n)
			}
		})
	}
}

// Requests of others are nobody's business here.
func TestOtherSubjects(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	stranger := "N" + strings.Repeat("A", 55)
	for _, subject := range []string{
		"$NEX.PING." + stranger, "$NEX.INFO.default." + stranger, "$NEX.DEPLOY.default." + stranger, "$NEX.STOP.default." + stranger,
		"$NEX.LAMEDUCK." + stranger, "$NEX.INFO." + r.node, "$NEX.DEPLOY." + r.node, "$NEX.LAMEDUCK", "$NEX.WPING", "$NEX.BOGUS",
		"$NEX.PING." + r.node + ".x", "$NEX.ping",
	} {
		if _, err := r.nc.Request(subject, nil, patience); err == nil || err.Error() != nats.ErrNoResponders.Error() {
			t.Errorf("%s: error = %v, want %v", subject, err, nats.ErrNoResponders)
		}
	}
}

// Who looks and sends no reply subject wants no answer: that is no failure, and nothing to log.
func TestRequestsWithoutReply(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for subject, body := range map[string]any{"$NEX.PING." + r.node: nil, "$NEX.AUCTION": "not JSON"} {
		if err := r.nc.Publish(subject, encode(t, body)); err != nil {
			t.Fatal(err)
		}
		r.ask(subject, nil) // comes after it
	}
	stats := micros[micro.Stats](r, "STATS")
	if e := endpoint(t, stats, "PING-NODE"); e.NumRequests == 0 || e.NumErrors != 0 {
		t.Errorf("ping without reply subject: %d requests, %d errors: %s", e.NumRequests, e.NumErrors, e.LastError)
	}
	if e := endpoint(t, stats, "AUCTION"); e.NumErrors != 1 {
		t.Errorf("refused auction without reply subject: %d errors, want 1", e.NumErrors)
	}
	if log := r.log.String(); strings.Contains(log, "WARN") || strings.Contains(log, "ERROR") {
		t.Errorf("log:\n%s", log)
	}
}

// A message without reply subject changes nothing: it may be what a service was told to answer to a node.
func TestChangesWithoutReply(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for subject, body := range map[string]any{
		r.subject(nex.OpDeploy): r.deployment(), r.subject(nex.OpStop): r.stopping("w1"), "$NEX.LAMEDUCK." + r.node: nil,
	} {
		if err := r.nc.Publish(subject, encode(t, body)); err != nil {
			t.Fatal(err)
		}
		r.ask(subject, "not JSON") // comes after it, and is refused
	}
	r.service.Close() // waits for what goes on
	if d, s := len(r.work.deployed()), len(r.work.stopped()); d != 0 || s != 0 {
		t.Errorf("%d deploys, %d stops, want none", d, s)
	}
	if duck := r.service.Tags()[nex.TagLameDuck]; duck != "false" {
		t.Errorf("the node is in lame duck mode: %s", duck)
	}
	if n := strings.Count(r.log.String(), "it has no reply subject"); n != 3 {
		t.Errorf("%d of 3 requests were ignored:\n%s", n, r.log.String())
	}
}
