package nex

import (
	"encoding/json"
	"fmt"
	"time"
)

// EventType is the type of an event, the last token of its subject.
type EventType string

// The event types and, in parentheses, the type of their data.
const (
	EventNodeStarted         EventType = "node_started"            // (NodeStarted)
	EventNodeStopped         EventType = "node_stopped"            // (NodeStopped)
	EventNodeEnteredLameDuck EventType = "node_entered_lameduck"   // (NodeEnteredLameDuck)
	EventHeartbeat           EventType = "heartbeat"               // (Heartbeat)
	EventWorkloadDeployed    EventType = "workload_deployed"       // (WorkloadDeployed)
	EventWorkloadUndeployed  EventType = "workload_undeployed"     // (WorkloadUndeployed)
	EventWorkloadState       EventType = "workload_state"          // (WorkloadStateChanged)
	EventFunctionSucceeded   EventType = "function_exec_succeeded" // (FunctionExecuted)
	EventFunctionFailed      EventType = "function_exec_failed"    // (FunctionExecuted)
)

// Event is a CloudEvents 1.0 event in structured JSON form.
type Event struct {
	SpecVersion     string          `json:"specversion"` // "1.0"
	ID              string          `json:"id"`
	Source          string          `json:"source"` // node id
	Type            EventType       `json:"type"`
	Time            time.Time       `json:"time"`
	DataContentType string          `json:"datacontenttype"` // "application/json"
	Namespace       string          `json:"namespace"`       // an extension attribute
	Data            json.RawMessage `json:"data"`
}

// NewEvent makes an event; data must be one of the data types of this package.
func NewEvent(id, node, namespace string, t EventType, at time.Time, data any) (Event, error) {
	b, err := json.Marshal(data)
	if err != nil {
		return Event{}, fmt.Errorf("encode %s event: %w", t, err)
	}
	return Event{
		SpecVersion: "1.0", ID: id, Source: node, Type: t, Time: at.UTC(),
		DataContentType: "application/json", Namespace: namespace, Data: b,
	}, nil
}

// DecodeEvent parses an event.
func DecodeEvent(body []byte) (Event, error) {
	var e Event
	if err := json.Unmarshal(body, &e); err != nil {
		return Event{}, fmt.Errorf("the event is malformed: %w", err)
	}
	if e.SpecVersion == "" || e.Type == "" {
		return Event{}, fmt.Errorf("the event is no CloudEvent: specversion or type is missing")
	}
	return e, nil
}

// Workload returns name and id of the workload that the event is about; both are empty in an event
// about a node, and the id in the events of version 1 nodes.
func (e Event) Workload() (name, id string) {
	var about struct {
		WorkloadName string `json:"workload_name"`
		Name         string `json:"name"`
		ID           string `json:"id"`
	}
	if e.Namespace == SystemNamespace || json.Unmarshal(e.Data, &about) != nil {
		return "", ""
	}
	if about.WorkloadName == "" {
		about.WorkloadName = about.Name
	}
	return about.WorkloadName, about.ID
}

// StateChange returns the data of a workload_state event.
func (e Event) StateChange() (WorkloadStateChanged, error) {
	var c WorkloadStateChanged
	if e.Type != EventWorkloadState {
		return c, fmt.Errorf("a %s event has no change of state", e.Type)
	}
	err := json.Unmarshal(e.Data, &c)
	return c, err
}

// NodeStarted says that a node takes requests.
type NodeStarted struct {
	Version string            `json:"version"`
	ID      string            `json:"id"`
	Tags    map[string]string `json:"tags,omitempty"`
}

// NodeStopped says that a node has ended.
type NodeStopped struct {
	ID       string `json:"id"`
	Graceful bool   `json:"graceful"`
}

// NodeEnteredLameDuck says that a node takes no new workloads.
type NodeEnteredLameDuck struct {
	Version string `json:"version"`
	ID      string `json:"id"`
}

// HeartbeatInterval is the time between two heartbeats of a node.
const HeartbeatInterval = 30 * time.Second

// Heartbeat says that a node is there.
type Heartbeat struct {
	Version         string            `json:"version"`
	NodeID          string            `json:"node_id"`
	Nexus           string            `json:"nexus,omitempty"`
	Uptime          string            `json:"uptime"`
	Tags            map[string]string `json:"tags,omitempty"`
	RunningMachines int               `json:"running_machines"`
}

// WorkloadDeployed says that a workload was accepted and started. Code is always 0.
type WorkloadDeployed struct {
	WorkloadName string `json:"workload_name"`
	Code         int    `json:"code"`
	ID           string `json:"id,omitempty"`
	// Sandbox is how it is isolated.
	Sandbox SandboxLevel `json:"sandbox,omitempty"`
}

// WorkloadUndeployed says that a workload has ended for good. Code is its exit status.
type WorkloadUndeployed struct {
	WorkloadName string `json:"workload_name"`
	Code         int    `json:"code"`
	Message      string `json:"message"`
	ID           string `json:"id,omitempty"`
	Reason       string `json:"reason,omitempty"`
}

// WorkloadStateChanged says that a workload went from one state to another, and why.
type WorkloadStateChanged struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	From   State  `json:"from"` // empty for a new workload
	To     State  `json:"to"`
	Reason string `json:"reason"`
	Exit   *Exit  `json:"exit,omitempty"` // when the program's end was the cause
}

// FunctionExecuted says how one call of a function ended. When calls are frequent, one event stands
// for several calls that ended the same way: Count of them within WindowMillis, of which it describes
// the last.
type FunctionExecuted struct {
	WorkloadName   string `json:"workload_name"`
	TriggerSubject string `json:"trigger_subject"` // the concrete subject
	ElapsedNanos   int64  `json:"elapsed_nanos"`
	Namespace      string `json:"namespace"`
	Error          string `json:"error,omitempty"`

	ID           string `json:"id,omitempty"`        // of the workload
	Count        uint64 `json:"count,omitempty"`     // 0 means 1
	WindowMillis int64  `json:"window_ms,omitempty"` // the time that Count is about
}
