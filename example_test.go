package nex_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	nex "github.com/nex-engine/nex"
)

func ExampleRequest_Subject() {
	const node = "NAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	fmt.Println(nex.Request{Op: nex.OpPing}.Subject())
	fmt.Println(nex.Request{Op: nex.OpDeploy, Namespace: "default", Node: node}.Subject())
	fmt.Println(nex.Request{Op: nex.OpWorkloadPing, Namespace: "default", Workload: "echoservice"}.Subject())
	// Output:
	// $NEX.PING
	// $NEX.DEPLOY.default.NAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
	// $NEX.WPING.default.echoservice
}

func ExampleParseRequest() {
	r, err := nex.ParseRequest("$NEX.WPING.default.echoservice")
	fmt.Println(r.Op, r.Namespace, r.Workload, err)
	_, err = nex.ParseRequest("$NEX.WPING.*")
	fmt.Println(nex.CodeOf(err), err)
	// Output:
	// WPING default echoservice <nil>
	// invalid_namespace invalid namespace "*": use only letters, digits, _ and -
}

func ExampleEventSubject() {
	fmt.Println(nex.EventSubject("default", nex.EventWorkloadState))
	fmt.Println(nex.EventSubject("*", nex.EventHeartbeat))
	// Output:
	// $NEX.events.default.workload_state
	// $NEX.events.*.heartbeat
}

func ExampleParseLogSubject() {
	source, ok := nex.ParseLogSubject("$NEX.logs.default.N1.echoservice.w7")
	fmt.Println(source.Workload, source.ID, ok)
	// Output:
	// echoservice w7 true
}

// Both forms of a location decode to the same one.
func ExampleLocation() {
	for _, form := range []string{`"nats://FILES/echo"`, `{"Scheme":"nats","Host":"FILES","Path":"/echo"}`} {
		var l nex.Location
		if err := json.Unmarshal([]byte(form), &l); err != nil {
			fmt.Println(err)
		}
		fmt.Println(l, l.Bucket(), l.Key())
	}
	// Output:
	// nats://FILES/echo FILES echo
	// nats://FILES/echo FILES echo
}

// A failure keeps its code over the wire.
func ExampleError() {
	refusal := nex.Errorf(nex.CodeWorkloadNotFound, "no workload w7 in namespace default: look it up with node info")
	reply := nex.EncodeError(nex.StopResponseType, refusal)

	err := nex.DecodeReply(nex.StopResponseType, reply, nil)
	fmt.Println(err)
	fmt.Println(errors.Is(err, nex.ErrWorkloadNotFound), nex.CodeOf(err), nex.CodeOf(err).Status())
	// Output:
	// no workload w7 in namespace default: look it up with node info
	// true workload_not_found 404
}

func ExampleCodeOf() {
	fmt.Println(nex.CodeOf(fmt.Errorf("deploy echo: %w", nex.ErrNodeFull)))
	fmt.Println(nex.CodeOf(errors.New("something else")))
	// Output:
	// node_full
	// internal
}

func ExampleEvent_StateChange() {
	e, err := nex.NewEvent("1", "N1", "default", nex.EventWorkloadState, time.Now(), nex.WorkloadStateChanged{
		ID: "w7", Name: "echo", From: nex.StateRunning, To: nex.StateFailed, Reason: "the program was ended by SIGKILL",
	})
	if err != nil {
		fmt.Println(err)
	}
	change, err := e.StateChange()
	fmt.Println(change.Name, change.From, change.To, err)
	// Output:
	// echo running failed <nil>
}
