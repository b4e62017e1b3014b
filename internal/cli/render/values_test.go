package render_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"regexp"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/cli/render"
	"github.com/nex-engine/nex/internal/state"
)

const (
	nodeA = "NBS3Y3NWXLTFNC73XMVD6USFJF2H5QXTLEJQNOPEBPYDUDVB5YYYZOGI"
	nodeB = "NC7PXV2DLGXC4LTVM7W7MXYL3WVQFA345IFKJOMYA5ZDZMACLZ53NIIL"
	xkeyA = "XASQSWNSIKHM5MDKDOGPSPGBA3V6JMETMIJK2YTXKAJZNMAFKXER5RUK"
)

var at = time.Date(2026, 3, 4, 5, 6, 7, 89_000_000, time.UTC)

var (
	pings = []nex.PingResponse{
		{NodeID: nodeA, Version: "0.3.0", Uptime: "8m47s", RunningMachines: 12, Tags: map[string]string{nex.TagSandbox: "gvisor"}},
		{NodeID: nodeB, Version: "0.3.0", Uptime: "3d2h", Tags: map[string]string{nex.TagSandbox: "none", nex.TagLameDuck: "true"}},
		{NodeID: nodeA, Version: "0.2.7", Uptime: "1s", RunningMachines: 1},
	}
	no   = false
	bids = []nex.AuctionResponse{
		{PingResponse: pings[0]},
		{PingResponse: pings[1], Bid: &no, Reasons: []string{"the node is in lame duck mode", "its sandbox is none, less than gvisor"}},
	}
	published = nex.InfoResponse{
		PublicXkey: xkeyA, Version: "0.0.1", Uptime: "8m47s",
		Tags:   map[string]string{"simple": "true", "nex.os": "linux", "nex.cpucount": "8", "nex.arch": "amd64"},
		Memory: &nex.MemoryInfo{Free: 33545884, Available: 56529000, Total: 63883232},
		Machines: []nex.MachineInfo{{
			ID: "cmji29n52omrb71g07a0", Healthy: true,
			Workload: nex.WorkloadSummary{Name: "echoservice", Description: "Workload published in devmode", Runtime: "8m47s"},
		}},
	}
	info = nex.InfoResponse{
		PublicXkey: xkeyA, Version: "0.3.0", Uptime: "8m47s",
		Machines: []nex.MachineInfo{
			{
				ID: "cmji29n52omrb71g07a0", Healthy: true, State: nex.StateRunning, Sandbox: nex.SandboxGVisor,
				Reason:   "the program runs",
				Workload: nex.WorkloadSummary{Name: "echofunctionjs", Runtime: "8m47s", Type: nex.TypeV8, Restart: nex.RestartAlways},
				Triggers: []string{"js.echo", "js.echo.>"},
				Limits:   &nex.Limits{MemoryMiB: 512, CPUs: 1, PIDs: 512, OpenFiles: 4096, DiskMiB: 2048},
				Calls: &nex.CallStats{
					Total: 1_234_567, Errors: 1234, Refused: 12, InFlight: 2, P50Nanos: 184_321, P99Nanos: 12_345_678, MemoryBytes: 47_400_000,
				},
			},
			{
				ID: "cmjv0en52omhlsa377d0", Healthy: true, State: nex.StateRunning, Sandbox: nex.SandboxGVisor,
				Workload: nex.WorkloadSummary{Name: "neverfn", Runtime: "3s", Type: nex.TypeWasm},
				Triggers: []string{"never"}, Calls: &nex.CallStats{}, Limits: &nex.Limits{MemoryMiB: 16, CPUs: 0.25},
			},
			{
				ID: "cmjud7n52omhlsa377cg", State: nex.StateRestarting, Sandbox: nex.SandboxNone, Restarts: 3,
				Reason:   "the program ended with status 1; starting again in 2s",
				Workload: nex.WorkloadSummary{Name: "broken", Description: "Ends at once", Type: nex.TypeNative, Restart: nex.RestartOnFailure},
			},
		},
	}
)

// What a node knows of its workloads.
var (
	kept = []state.Entry{
		{Record: state.Record{
			ID: id, Namespace: "default", Name: "echoservice", Type: nex.TypeNative, Restart: nex.RestartOnFailure,
			State: nex.StateRunning, AgentID: "a1", Accepted: at.Add(-time.Hour), Started: at,
		}},
		{Record: state.Record{
			ID: "cmjud7n52omhlsa377cg", Namespace: "other", Name: "echofunctionjs", Type: nex.TypeV8, Restart: nex.RestartAlways,
			State: nex.StateStarting, Accepted: at,
		}, Warning: "the current file is damaged"},
	}
	damaged = []state.Damaged{{ID: "cmjv0en52omhlsa377d0", File: "/data/state/damaged/cmjv0en52omhlsa377d0.json", Reason: "it is empty"}}
)

// printers are calls of every function of the package, by the name of their golden files.
func printers() map[string]printer {
	return map[string]printer{
		"nodes": func(w io.Writer, s render.Style) error { return render.Nodes(w, s, pings) },
		"bids":  func(w io.Writer, s render.Style) error { return render.Bids(w, s, bids) },
		"info-published": func(w io.Writer, s render.Style) error {
			return render.NodeInfo(w, s, nodeA, published)
		},
		"info": func(w io.Writer, s render.Style) error { return render.NodeInfo(w, s, nodeA, info) },
		"info-empty": func(w io.Writer, s render.Style) error {
			return render.NodeInfo(w, s, nodeB, nex.InfoResponse{Version: "0.3.0", Memory: &nex.MemoryInfo{Total: 999}})
		},
		"state": func(w io.Writer, s render.Style) error { return render.State(w, s, kept, damaged) },
		"repair": func(w io.Writer, _ render.Style) error {
			return render.Repair(w, render.StateReport{
				Report: state.Report{
					Whole: 12, Restored: []state.Damaged{{ID: id, File: "/data/state/damaged/x.json", Reason: "it is empty"}},
					Leftovers: []string{"/data/state/.x.1"}, Damaged: damaged,
				},
				Removed: []string{"/data/state/damaged/y.json"},
			})
		},
		"repair-nothing": func(w io.Writer, _ render.Style) error { return render.Repair(w, render.StateReport{}) },
		"log":            printLog,
		"events":         printEvents,
	}
}

func printLog(w io.Writer, s render.Style) error {
	for _, r := range []struct {
		namespace, workload string
		record              nex.LogRecord
	}{
		{"default", "echoservice", nex.LogRecord{Time: at, Level: int(slog.LevelInfo), Text: "listening on svc.echo"}},
		{"default", "echoservice", nex.LogRecord{Time: at, Level: int(slog.LevelDebug), Text: "a\ttab"}},
		{"default", "echoservice", nex.LogRecord{Time: at, Level: int(slog.LevelWarn), Text: "\x1b[1;31mred\x1b[0m and \x1b]0;title\aplain"}},
		{"default", "echoservice", nex.LogRecord{Time: at, Level: int(slog.LevelError), Text: "panic: 日本語 🚀"}},
		{"default", "old", nex.LogRecord{Text: "a node of version 1 sends no time"}},
		{"system", "", nex.LogRecord{Time: at, Text: "a line of the node itself"}},
	} {
		if err := render.LogLine(w, s, r.namespace, r.workload, r.record); err != nil {
			return err
		}
	}
	return nil
}

const id = "cmji29n52omrb71g07a0"

// events has at least one of every type.
var events = []struct {
	namespace string
	kind      nex.EventType
	data      any
}{
	{"system", nex.EventNodeStarted, nex.NodeStarted{Version: "0.3.0", ID: nodeA, Tags: map[string]string{"nex.os": "linux", "nex.arch": "amd64"}}},
	{"system", nex.EventNodeStarted, nex.NodeStarted{Version: "0.2.7", ID: nodeA}},
	{"system", nex.EventNodeStopped, nex.NodeStopped{ID: nodeA, Graceful: true}},
	{"system", nex.EventNodeStopped, nex.NodeStopped{ID: nodeA}},
	{"system", nex.EventNodeEnteredLameDuck, nex.NodeEnteredLameDuck{Version: "0.3.0", ID: nodeA}},
	{"system", nex.EventHeartbeat, nex.Heartbeat{Version: "0.3.0", NodeID: nodeA, Uptime: "8m47s", RunningMachines: 1}},
	{"system", nex.EventHeartbeat, nex.Heartbeat{Version: "0.3.0", NodeID: nodeA, Uptime: "8m47s", RunningMachines: 2}},
	{"default", nex.EventWorkloadDeployed, nex.WorkloadDeployed{WorkloadName: "echoservice", ID: id}},
	{"default", nex.EventWorkloadDeployed, nex.WorkloadDeployed{WorkloadName: "echoservice"}},
	{"default", nex.EventWorkloadDeployed, nex.WorkloadDeployed{WorkloadName: "echoservice", ID: id, Sandbox: nex.SandboxGVisor}},
	{"default", nex.EventWorkloadUndeployed, nex.WorkloadUndeployed{WorkloadName: "echoservice", ID: id, Message: "stopped on request", Reason: "stopped"}},
	{"default", nex.EventWorkloadUndeployed, nex.WorkloadUndeployed{WorkloadName: "echoservice", Code: 1}},
	{"default", nex.EventWorkloadState, nex.WorkloadStateChanged{ID: id, Name: "echoservice", To: nex.StateStarting, Reason: "accepted"}},
	{"default", nex.EventWorkloadState, nex.WorkloadStateChanged{ID: id, Name: "echoservice", From: nex.StateStarting, To: nex.StateRunning}},
	{"default", nex.EventFunctionSucceeded, nex.FunctionExecuted{WorkloadName: "echofunctionjs", TriggerSubject: "js.echo", ElapsedNanos: 1_234_567}},
	{"default", nex.EventFunctionFailed, nex.FunctionExecuted{WorkloadName: "echofunctionjs", TriggerSubject: "js.echo", ElapsedNanos: 5_000_000_000, Error: "TypeError: x is undefined"}},
	{"default", nex.EventFunctionSucceeded, nex.FunctionExecuted{WorkloadName: "echofunctionjs", ID: id, TriggerSubject: "js.echo", ElapsedNanos: 999, Count: 1, WindowMillis: 1000}},
	{"default", nex.EventFunctionSucceeded, nex.FunctionExecuted{WorkloadName: "echofunctionjs", ID: id, TriggerSubject: "js.echo", ElapsedNanos: 1_234_567, Count: 12_345, WindowMillis: 1000}},
	{"default", nex.EventFunctionFailed, nex.FunctionExecuted{WorkloadName: "echofunctionjs", ID: id, TriggerSubject: "js.echo", ElapsedNanos: 81_234_567, Count: 2, Error: "TypeError: x is undefined"}},
	{"default", "from_the_future", map[string]any{"what": "unknown", "n": 1}},
	{"default", nex.EventHeartbeat, []string{"malformed"}},
}

func printEvents(w io.Writer, s render.Style) error {
	for _, e := range events {
		data, err := json.Marshal(e.data)
		if err != nil {
			return err
		}
		event := nex.Event{Source: nodeA, Type: e.kind, Time: at, Namespace: e.namespace, Data: data}
		if err := render.Event(w, s, event); err != nil {
			return err
		}
	}
	return nil
}

var color = regexp.MustCompile("\x1b\\[[0-9;]*m")

func withoutColor(t string) string { return color.ReplaceAllString(t, "") }
