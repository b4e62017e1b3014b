package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/cli"
	"github.com/nex-engine/nex/internal/natstest"
	"github.com/nex-engine/nex/internal/nextest"
)

// startingNode runs a scripted node that answers each deployment with state starting and then tells
// of changes. It returns a command line that deploys a workload of a type to it.
func startingNode(t *testing.T, kind nex.WorkloadType, changes ...nex.WorkloadStateChanged) []string {
	t.Helper()
	writeFiles(t, nil)
	s := natstest.Run(t, func(o *server.Options) { o.JetStream = false })
	nc := natstest.Connect(t, s)
	key, err := nkeys.CreateServer()
	if err != nil {
		t.Fatal(err)
	}
	id, err := key.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	handle := func(r nex.Request, answer any, then func()) {
		body, err := nex.EncodeReply(nex.ResponseType(r.Op), answer)
		if err != nil {
			t.Fatal(err)
		}
		_, err = nc.Subscribe(r.Subject(), func(m *nats.Msg) {
			if err := m.Respond(body); err != nil {
				t.Errorf("answer %s: %v", m.Subject, err)
			}
			then()
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	handle(nex.Request{Op: nex.OpPing, Node: id}, nex.PingResponse{NodeID: id}, func() {})
	accepted := nex.RunResponse{Started: true, ID: "w1", Name: "fn", State: nex.StateStarting}
	handle(nex.Request{Op: nex.OpDeploy, Namespace: "default", Node: id}, accepted, func() {
		for i, c := range changes {
			e, err := nex.NewEvent(fmt.Sprint(i), id, "default", nex.EventWorkloadState, time.Now(), c)
			if err != nil {
				t.Error(err)
				return
			}
			body, err := json.Marshal(e)
			if err := errors.Join(err, nc.Publish(nex.EventSubject("default", e.Type), body)); err != nil {
				t.Errorf("tell of %+v: %v", c, err)
			}
		}
	})
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	line := []string{"run", "file:///fn", id, "--name=fn", "--type=" + string(kind), "--digest=" + strings.Repeat("0", 64), "--server=" + s.ClientURL()}
	if kind.Function() {
		line = append(line, "--trigger_subject=x")
	}
	return line
}

// change is one of the workload that is deployed.
func change(to nex.State, reason string) nex.WorkloadStateChanged {
	return nex.WorkloadStateChanged{ID: "w1", Name: "fn", To: to, Reason: reason}
}

// Who deploys a function that takes its time is told when it answers, or why it does not.
func TestRunWaitsForFunction(t *testing.T) {
	const still = "It is still starting"
	other := nex.WorkloadStateChanged{ID: "w0", Name: "fn", To: nex.StateFailed, Reason: "another one"}
	for _, tt := range []struct {
		name    string
		kind    nex.WorkloadType
		changes []nex.WorkloadStateChanged
		code    int
		state   nex.State
		says    string // on standard error
	}{
		{"running", nex.TypeV8, []nex.WorkloadStateChanged{other, change(nex.StateStarting, "accepted"), change(nex.StateRunning, "it answers")}, 0, nex.StateRunning, ""},
		{"failed", nex.TypeWasm, []nex.WorkloadStateChanged{change(nex.StateFailed, "it took longer than 20s")}, 1, nex.StateFailed, "nex: error: workload fn was not started: it took longer than 20s\n"},
		{"stopped", nex.TypeV8, []nex.WorkloadStateChanged{change(nex.StateStopping, "asked"), change(nex.StateStopped, "somebody asked")}, 1, nex.StateStopped, "was not started: somebody asked"},
		{"crashed", nex.TypeV8, []nex.WorkloadStateChanged{change(nex.StateRunning, ""), change(nex.StateRestarting, "too much memory")}, 1, nex.StateRunning, "ended right after its start: too much memory"},
		{"a program", nex.TypeNative, nil, 0, nex.StateStarting, still},
	} {
		t.Run(tt.name, func(t *testing.T) {
			line := startingNode(t, tt.kind, tt.changes...)
			got := run(t, line...)
			if got.code != tt.code || strings.Count(got.out, "🚀 Workload 'fn' accepted.") != 1 ||
				!strings.Contains(got.err, tt.says) || strings.Contains(got.err, still) != (tt.state == nex.StateStarting) {
				t.Errorf("got %+v, want status %d and %q", got, tt.code, tt.says)
			}
			got = run(t, append(line, "--json")...)
			var answer nex.RunResponse
			if err := json.Unmarshal([]byte(got.out), &answer); err != nil || answer.State != tt.state || got.code != tt.code {
				t.Errorf("with --json: got %+v, %v, want status %d and one answer with state %s", got, err, tt.code, tt.state)
			}
		})
	}
}

// endsWait cancels what waits as soon as it is written to.
type endsWait struct {
	written bytes.Buffer
	cancel  context.CancelFunc
}

func (w *endsWait) Write(p []byte) (int, error) {
	w.cancel()
	return w.written.Write(p)
}

// Ctrl-C ends the wait, not the function.
func TestRunInterrupted(t *testing.T) {
	line := startingNode(t, nex.TypeV8)
	ctx, cancel := context.WithTimeout(t.Context(), nextest.Patience)
	defer cancel()
	out, errors := &endsWait{cancel: cancel}, new(bytes.Buffer)
	code := cli.Main(ctx, line, cli.Streams{In: strings.NewReader(""), Out: out, Err: errors})
	if code != 0 || !strings.Contains(errors.String(), "It is still starting") || ctx.Err() != context.Canceled {
		t.Errorf("got %d, %q, %q, %v, want status 0 and that it is still starting", code, out.written.String(), errors, ctx.Err())
	}
}
