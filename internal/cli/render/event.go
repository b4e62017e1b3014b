package render

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	nex "github.com/nex-engine/nex"
)

// typeWidth is the length of the longest type of event, function_exec_succeeded.
const typeWidth = 23

// Event prints one event.
func Event(w io.Writer, s Style, e nex.Event) error {
	kind := s.paint(text.FgCyan, fmt.Sprintf("%-*s", typeWidth, Text(string(e.Type))))
	_, err := fmt.Fprintf(w, "%s %s %-10s %s\n", stamp(e.Time), kind, Text(e.Namespace), Text(describe(e)))
	return err
}

// describe says in one line what an event says. What it does not understand it shows as it is.
func describe(e nex.Event) string {
	switch e.Type {
	case nex.EventNodeStarted:
		return say(e, nodeStarted)
	case nex.EventNodeStopped:
		return say(e, nodeStopped)
	case nex.EventNodeEnteredLameDuck:
		return say(e, nodeEnteredLameDuck)
	case nex.EventHeartbeat:
		return say(e, heartbeat)
	case nex.EventWorkloadDeployed:
		return say(e, workloadDeployed)
	case nex.EventWorkloadUndeployed:
		return say(e, workloadUndeployed)
	case nex.EventWorkloadState:
		return say(e, workloadState)
	case nex.EventFunctionSucceeded:
		return say(e, functionSucceeded)
	case nex.EventFunctionFailed:
		return say(e, functionFailed)
	}
	return string(e.Data)
}

// say describes data that has the form it should have.
func say[T any](e nex.Event, describe func(T) string) string {
	var data T
	if json.Unmarshal(e.Data, &data) != nil {
		return string(e.Data)
	}
	return describe(data)
}

func nodeStarted(d nex.NodeStarted) string {
	said := fmt.Sprintf("node %s takes workloads, version %s", d.ID, d.Version)
	if len(d.Tags) > 0 {
		said += ", " + tags(d.Tags)
	}
	return said
}

func nodeStopped(d nex.NodeStopped) string {
	if d.Graceful {
		return fmt.Sprintf("node %s shut down", d.ID)
	}
	return fmt.Sprintf("node %s ended without shutting down", d.ID)
}

func nodeEnteredLameDuck(d nex.NodeEnteredLameDuck) string {
	return fmt.Sprintf("node %s takes no new workloads, version %s", d.ID, d.Version)
}

func heartbeat(d nex.Heartbeat) string {
	runs := fmt.Sprintf("%d workloads", d.RunningMachines)
	if d.RunningMachines == 1 {
		runs = "1 workload"
	}
	return fmt.Sprintf("node %s up for %s with %s, version %s", d.NodeID, d.Uptime, runs, d.Version)
}

func workloadDeployed(d nex.WorkloadDeployed) string {
	said := workload(d.WorkloadName, d.ID) + " was deployed"
	if d.Sandbox != "" {
		said += ", sandbox " + string(d.Sandbox)
	}
	return said
}

func workloadUndeployed(d nex.WorkloadUndeployed) string {
	return because(fmt.Sprintf("%s was undeployed with status %d", workload(d.WorkloadName, d.ID), d.Code), d.Message)
}

func workloadState(d nex.WorkloadStateChanged) string {
	from := string(d.From)
	if from == "" {
		from = "new"
	}
	return because(fmt.Sprintf("%s: %s → %s", workload(d.Name, d.ID), from, d.To), d.Reason)
}

func functionSucceeded(d nex.FunctionExecuted) string {
	if d.Count > 1 {
		return fmt.Sprintf("%s succeeded %s, the last on %s in %s", function(d), often(d), d.TriggerSubject, elapsed(d))
	}
	return fmt.Sprintf("%s succeeded on %s in %s", function(d), d.TriggerSubject, elapsed(d))
}

func functionFailed(d nex.FunctionExecuted) string {
	if d.Count > 1 {
		return because(fmt.Sprintf("%s failed %s, the last on %s after %s", function(d), often(d), d.TriggerSubject, elapsed(d)), d.Error)
	}
	return because(fmt.Sprintf("%s failed on %s after %s", function(d), d.TriggerSubject, elapsed(d)), d.Error)
}

func function(d nex.FunctionExecuted) string { return workload(d.WorkloadName, d.ID) }

// often says how many calls an event stands for.
func often(d nex.FunctionExecuted) string {
	times := thousands(d.Count) + " times"
	if d.WindowMillis > 0 {
		times += fmt.Sprintf(" in %s", time.Duration(d.WindowMillis)*time.Millisecond)
	}
	return times
}

func elapsed(d nex.FunctionExecuted) time.Duration { return roughly(time.Duration(d.ElapsedNanos)) }

// workload names a workload; the events of version 1 nodes have no id.
func workload(name, id string) string { return strings.TrimSpace(name + " " + id) }

func because(said, reason string) string {
	if reason == "" {
		return said
	}
	return said + ": " + reason
}
