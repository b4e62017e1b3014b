package node_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
	"github.com/nex-engine/nex/internal/claims"
)

// stopRequest is what an issuer signs to stop a workload.
func (r *rig) stopRequest(issuer nkeys.KeyPair, namespace, id, name string) []byte {
	r.Helper()
	token, err := claims.Sign(issuer, claims.Claims{Subject: name, Node: r.node.NodeID, Namespace: namespace, Workload: id})
	if err != nil {
		r.Fatal(err)
	}
	body, err := json.Marshal(nex.StopRequest{WorkloadID: id, WorkloadJWT: token, TargetNode: r.node.NodeID})
	if err != nil {
		r.Fatal(err)
	}
	return body
}

// TestStopOfWhatIsNotOnes shows that existence is not leaked: every answer is the same, to the byte.
func TestStopOfWhatIsNotOnes(t *testing.T) {
	t.Parallel()
	r := start(t)
	d := r.testprog("prog", "wait")
	id := r.deploy(d)
	var answers []*nats.Msg
	ask := func(issuer nkeys.KeyPair, namespace, id, name string) {
		t.Helper()
		reply := r.send(nex.OpStop, namespace, r.stopRequest(issuer, namespace, id, name))
		r.refused(nex.OpStop, reply, nex.CodeWorkloadNotFound, "")
		answers = append(answers, reply)
	}
	ask(r.issuer, "default", "nobody", "prog")                        // unknown
	ask(newKey(t, nkeys.CreateAccount), "default", id, "prog")        // somebody else's
	ask(r.issuer, "sample", id, "prog")                               // another namespace's
	ask(r.issuer, "default", id, "frog")                              // another name
	ask(newKey(t, nkeys.CreateAccount), "default", "nobody", "other") // all at once
	r.awaitState(id, nex.StateRunning)
	r.undeploy(d, id)
	ask(r.issuer, "default", id, "prog") // stopped already
	for _, a := range answers[1:] {
		if string(a.Data) != string(answers[0].Data) || fmt.Sprint(a.Header) != fmt.Sprint(answers[0].Header) {
			t.Errorf("answer %s %v, want it like %s %v", a.Data, a.Header, answers[0].Data, answers[0].Header)
		}
	}
	r.unharmed()
}

func TestStopClaimsAreBound(t *testing.T) {
	t.Parallel()
	r := start(t)
	d := r.testprog("prog", "wait")
	first, second := r.deploy(d), r.deploy(d)
	body := r.stopRequest(r.issuer, "default", first, "prog")
	var q nex.StopRequest
	if err := json.Unmarshal(body, &q); err != nil {
		t.Fatal(err)
	}
	q.WorkloadID = second
	other, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	r.refused(nex.OpStop, r.send(nex.OpStop, "default", other), nex.CodeInvalidClaims, "another workload")
	r.refused(nex.OpStop, r.send(nex.OpStop, "default", []byte(`{`)), nex.CodeInvalidRequest, "not JSON")
	r.undeploy(d, first)
	r.awaitState(second, nex.StateRunning)
	r.undeploy(d, second)
	r.clean()
}

func TestNamespacesAreApart(t *testing.T) {
	t.Parallel()
	r := start(t, func(s *setup) { s.MachinePoolSize = 2 })
	d := r.testprog("prog", "wait")
	id := r.deploy(d)
	sample := client.New(r.nc, client.Config{Namespace: "sample"})
	answer, err := sample.Deploy(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sample.Stop(t.Context(), r.stopping(d, id)); nex.CodeOf(err) != nex.CodeWorkloadNotFound {
		t.Errorf("stop of another namespace's workload: %v, want code %s", err, nex.CodeWorkloadNotFound)
	}
	info, err := sample.Info(t.Context(), r.node.NodeID)
	if err != nil || len(info.Machines) != 1 || info.Machines[0].ID != answer.ID {
		t.Errorf("info of sample = %+v, %v, want %s alone", info.Machines, err, answer.ID)
	}
	lines, err := sample.Logs(t.Context(), r.node.NodeID, nex.LogsRequest{Workload: id})
	if err != nil || len(lines) != 0 {
		t.Errorf("logs of another namespace's workload = %v, %v, want none", lines, err)
	}
	if _, err := sample.Stop(t.Context(), r.stopping(d, answer.ID)); err != nil {
		t.Error(err)
	}
	r.awaitState(id, nex.StateRunning)
	r.undeploy(d, id)
	r.clean()
}

func TestStopHonoursTheGracePeriod(t *testing.T) {
	t.Parallel()
	r := start(t)
	token := unique("grace-period-token")
	d := r.testprog("prog", "stubborn", token)
	id := r.deploy(d)
	r.awaitLine(id, "ready")
	stopping := r.stopping(d, id)
	stopping.Grace = 700 * time.Millisecond
	before := time.Now()
	if _, err := r.client.Stop(t.Context(), stopping); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(before); took < stopping.Grace {
		t.Errorf("the program was killed after %s, want it to have %s", took, stopping.Grace)
	}
	if left := r.processes(token); len(left) > 0 {
		t.Errorf("processes %v run after the answer to stop", left)
	}
	r.unharmed()
}

func TestStopTakesDaemonsAlong(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, mode := range []string{"daemons", "strays"} {
		t.Run(mode, func(t *testing.T) {
			in := r.on(t)
			token := unique("taken-along-" + mode)
			d := in.testprog("prog", mode, token)
			id := in.deploy(d)
			in.awaitLine(id, "ready")
			in.awaitProcesses(token, 3) // the program and two others
			in.undeploy(d, id)
			if left := in.processes(token); len(left) > 0 {
				t.Errorf("processes %v run after the answer to stop", left)
			}
			in.unharmed()
		})
	}
}

// TestStopTwiceAtOnce shows that one of two gets the credit, and both an answer when all is over.
func TestStopTwiceAtOnce(t *testing.T) {
	t.Parallel()
	r := start(t)
	token := unique("stopped-twice")
	d := r.testprog("prog", "stubborn", token)
	id := r.deploy(d)
	r.awaitLine(id, "ready")
	stopping := r.stopping(d, id)
	stopping.Grace = 300 * time.Millisecond
	codes := make(chan nex.Code, 2)
	for range cap(codes) {
		go func() {
			_, err := r.client.Stop(t.Context(), stopping)
			if left := r.processes(token); len(left) > 0 {
				t.Errorf("processes %v run after an answer to stop", left)
			}
			codes <- nex.CodeOf(err)
		}()
	}
	got := []nex.Code{<-codes, <-codes}
	slices.Sort(got)
	if want := []nex.Code{"", nex.CodeWorkloadNotFound}; !slices.Equal(got, want) {
		t.Errorf("codes = %q, want %q", got, want)
	}
	r.unharmed()
}
