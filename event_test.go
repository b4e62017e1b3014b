package nex_test

import (
	"encoding/json"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
)

func newEvent(t *testing.T, namespace string, kind nex.EventType, data any) nex.Event {
	t.Helper()
	e, err := nex.NewEvent("e1", nodeID, namespace, kind, time.Date(2024, 5, 6, 9, 8, 9, 0, time.FixedZone("", 7200)), data)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestNewEvent(t *testing.T) {
	e := newEvent(t, "default", nex.EventWorkloadDeployed, nex.WorkloadDeployed{WorkloadName: "echo", ID: "w1"})
	b, err := json.Marshal(e)
	want := `{"specversion":"1.0","id":"e1","source":"` + nodeID + `","type":"workload_deployed","time":"2024-05-06T07:08:09Z",` +
		`"datacontenttype":"application/json","namespace":"default","data":{"workload_name":"echo","code":0,"id":"w1"}}`
	if err != nil || string(b) != want {
		t.Errorf("JSON = %s, %v, want %s", b, err, want)
	}
	if got := nex.EventSubject("default", e.Type); got != "$NEX.events.default.workload_deployed" {
		t.Errorf("subject = %s", got)
	}
	if _, err := nex.NewEvent("e1", nodeID, "default", nex.EventHeartbeat, time.Now(), make(chan int)); err == nil {
		t.Error("made an event of a channel")
	}
}

func TestDecodeEvent(t *testing.T) {
	e, err := nex.DecodeEvent([]byte(`{"specversion":"1.0","type":"heartbeat","source":"N","subject":"x","data":{"a":1}}`))
	if err != nil || e.Type != nex.EventHeartbeat || string(e.Data) != `{"a":1}` {
		t.Errorf("event = %+v, %v", e, err)
	}
	for _, bad := range []string{
		"", "{}", "null", "[]", `{"type":"heartbeat"}`, `{"specversion":"1.0"}`,
		`{"specversion":"1.0","type":"heartbeat","time":"soon"}`, `{"specversion":1,"type":"heartbeat"}`,
	} {
		if _, err := nex.DecodeEvent([]byte(bad)); err == nil {
			t.Errorf("%q was decoded", bad)
		}
	}
}

func TestEventWorkload(t *testing.T) {
	tests := []struct {
		name      string
		namespace string
		kind      nex.EventType
		data      any
		workload  string
		id        string
	}{
		{"deployed", "default", nex.EventWorkloadDeployed, nex.WorkloadDeployed{WorkloadName: "echo", ID: "w1"}, "echo", "w1"},
		{"deployed, version 1", "default", nex.EventWorkloadDeployed, map[string]any{"workload_name": "echo", "code": 0}, "echo", ""},
		{"undeployed", "default", nex.EventWorkloadUndeployed, nex.WorkloadUndeployed{WorkloadName: "echo", ID: "w1"}, "echo", "w1"},
		{"state", "default", nex.EventWorkloadState, nex.WorkloadStateChanged{Name: "echo", ID: "w1"}, "echo", "w1"},
		{"function", "default", nex.EventFunctionFailed, nex.FunctionExecuted{WorkloadName: "fn"}, "fn", ""},
		{"node", nex.SystemNamespace, nex.EventNodeStarted, nex.NodeStarted{ID: nodeID}, "", ""},
		{"no object", "default", nex.EventWorkloadDeployed, "echo", "", ""},
		{"null", "default", nex.EventWorkloadDeployed, nil, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name, id := newEvent(t, tt.namespace, tt.kind, tt.data).Workload()
			if name != tt.workload || id != tt.id {
				t.Errorf("workload = %q, %q, want %q, %q", name, id, tt.workload, tt.id)
			}
		})
	}
	if name, id := (nex.Event{}).Workload(); name != "" || id != "" {
		t.Errorf("workload of an event without data = %q, %q", name, id)
	}
}

func TestEventStateChange(t *testing.T) {
	want := nex.WorkloadStateChanged{
		ID: "w1", Name: "echo", From: nex.StateRunning, To: nex.StateFailed, Reason: "it ended",
		Exit: &nex.Exit{Code: -1, Signal: "SIGKILL", OOM: true},
	}
	got, err := newEvent(t, "default", nex.EventWorkloadState, want).StateChange()
	if err != nil || got.Exit == nil || *got.Exit != *want.Exit {
		t.Fatalf("change = %+v, %v, want %+v", got, err, want)
	}
	if got.Exit = want.Exit; got != want {
		t.Errorf("change = %+v, want %+v", got, want)
	}
	if _, err := newEvent(t, "default", nex.EventWorkloadDeployed, want).StateChange(); err == nil {
		t.Error("a workload_deployed event has a change of state")
	}
	if _, err := newEvent(t, "default", nex.EventWorkloadState, "x").StateChange(); err == nil {
		t.Error("a string is a change of state")
	}
}
