package nex_test

import nex "github.com/nex-engine/nex"

// wireValues has a value of each type that travels.
var wireValues = map[string]any{
	"DeployRequest": nex.DeployRequest{}, "Connection": nex.Connection{}, "RunResponse": nex.RunResponse{},
	"StopRequest": nex.StopRequest{}, "StopResponse": nex.StopResponse{},
	"PingResponse": nex.PingResponse{}, "AuctionRequest": nex.AuctionRequest{}, "AuctionResponse": nex.AuctionResponse{},
	"WorkloadPingResponse": nex.WorkloadPingResponse{}, "WorkloadPing": nex.WorkloadPing{},
	"InfoResponse": nex.InfoResponse{}, "MemoryInfo": nex.MemoryInfo{}, "MachineInfo": nex.MachineInfo{}, "CallStats": nex.CallStats{},
	"Limits": nex.Limits{}, "Egress": nex.Egress{},
	"WorkloadSummary": nex.WorkloadSummary{},
	"LameDuckRequest": nex.LameDuckRequest{}, "LameDuckResponse": nex.LameDuckResponse{},
	"LogRecord": nex.LogRecord{}, "LogsRequest": nex.LogsRequest{}, "LogsResponse": nex.LogsResponse{}, "LogLine": nex.LogLine{},
	"Event": nex.Event{}, "NodeStarted": nex.NodeStarted{}, "NodeStopped": nex.NodeStopped{},
	"NodeEnteredLameDuck": nex.NodeEnteredLameDuck{}, "Heartbeat": nex.Heartbeat{},
	"WorkloadDeployed": nex.WorkloadDeployed{}, "WorkloadUndeployed": nex.WorkloadUndeployed{},
	"WorkloadStateChanged": nex.WorkloadStateChanged{}, "FunctionExecuted": nex.FunctionExecuted{}, "Exit": nex.Exit{},
}

// fieldDoc is what docs/protocol.md says about a field besides its name and type.
type fieldDoc struct {
	text string
	// absent is "required", or what it means that a request lacks the field. In what a node sends it
	// is empty, and the type tells whether the field is always there.
	absent string
	added  bool // since version 1
}

const required = "required"

// fieldDocs documents every field of every type that travels.
var fieldDocs = map[string]fieldDoc{
	"DeployRequest.type":               {"what the artifact is", required, false},
	"DeployRequest.location":           {"where the artifact lies", required, false},
	"DeployRequest.workload_jwt":       {"the start [claims](#claims)", required, false},
	"DeployRequest.target_node":        {"id of the node that the request is for; another one refuses it", "not checked", false},
	"DeployRequest.argv":               {"the program's arguments, without its name", "none", false},
	"DeployRequest.description":        {"shown by INFO", "none", false},
	"DeployRequest.essential":          {"start the program again whenever it ends, until it is stopped; the same as `restart` `always`, which older nodes do not know", "false", false},
	"DeployRequest.restart":            {"[when](recovery.md#restart-policies) the service is started again; what contradicts `essential` is refused, and so is anything but `always` for functions", "`always` if `essential` is set or it is a function, else `never`", true},
	"DeployRequest.environment":        {"the [sealed environment](#environment)", "none", false},
	"DeployRequest.sender_public_key":  {"public xkey that sealed `environment`; required with it", "none", false},
	"DeployRequest.jsdomain":           {"JetStream domain of a `nats` location", "that of the node's connection", false},
	"DeployRequest.trigger_subjects":   {"subjects whose messages the function gets, wildcards allowed; functions only", "none", false},
	"DeployRequest.trigger_connection": {"connection on which the triggers are subscribed to", "the node's", false},
	"DeployRequest.host_services":      {"connection that the function's host services use", "the node's", false},
	"DeployRequest.max_concurrency":    {"how many calls of the function run at one time on the node; functions only", "`functions.max_concurrency` of the node", true},
	"DeployRequest.call_timeout_ms":    {"bounds a call, waiting for its turn included; functions only", "`functions.call_timeout_ms` of the node", true},
	"DeployRequest.min_sandbox":        {"the weakest level that will do; a node that has no better refuses", "any", true},
	"DeployRequest.memory_mib":         {"MiB of memory that the workload may take, its agent included", "the node's default", true},
	"DeployRequest.cpus":               {"processor time that the workload may take: 1.5 is one and a half processors", "the node's default", true},
	"DeployRequest.egress":             {"where the workload may connect to, within what the node allows; not for functions, which have no network", "all that the node allows", true},
	"DeployRequest.retry_count":        {"set by version 1 nodes that deploy again; not signed, ignored", "0", false},
	"DeployRequest.retried_at":         {"as `retry_count`", "none", false},

	"Egress.allow": {"[rules](sandboxes.md#where-a-workload-may-connect-to): where it may connect to, within what the node allows", "all that the node allows", true},
	"Egress.deny":  {"[rules](sandboxes.md#where-a-workload-may-connect-to): where it may not, whatever is allowed", "none", true},

	"Connection.nats_url":       {"the server", "none", false},
	"Connection.nats_user_jwt":  {"the user's JWT", "none", false},
	"Connection.nats_user_seed": {"the user's nkey seed", "none", false},

	"RunResponse.started": {"true", "", false},
	"RunResponse.id":      {"the workload's id, which the node has made", "", false},
	"RunResponse.issuer":  {"the account key that signed; it alone can stop the workload", "", false},
	"RunResponse.name":    {"the workload's name", "", false},
	"RunResponse.state":   {"`running`, or `starting` when that takes longer than 2 s: events tell the rest", "", true},
	"RunResponse.sandbox": {"the level of the workload's sandbox", "", true},

	"StopRequest.workload_id":  {"the id that DEPLOY answered", required, false},
	"StopRequest.workload_jwt": {"the stop [claims](#claims)", required, false},
	"StopRequest.target_node":  {"id of the node that the request is for; another one refuses it", "not checked", false},
	"StopRequest.grace_ms":     {"time between SIGTERM and SIGKILL; not signed", "10000", true},

	"StopResponse.stopped": {"true", "", false},
	"StopResponse.id":      {"as in the request", "", false},
	"StopResponse.issuer":  {"the account key that signed", "", false},
	"StopResponse.name":    {"the workload's name", "", false},

	"PingResponse.node_id":          {"the node's id, a public server nkey", "", false},
	"PingResponse.nexus":            {"name of the group that the node belongs to", "", false},
	"PingResponse.version":          {"version of the node's program", "", false},
	"PingResponse.uptime":           {"as Go prints a duration: `8m47s`", "", false},
	"PingResponse.target_xkey":      {"public xkey to seal [environments](#environment) to", "", false},
	"PingResponse.tags":             {"the node's [tags](#tags)", "", false},
	"PingResponse.running_machines": {"number of workloads that have not ended", "", false},

	"AuctionRequest.arch":           {"the node's architecture, as Go calls it: `amd64`, `arm64`", "any", false},
	"AuctionRequest.os":             {"the node's operating system, as Go calls it: `linux`, `darwin`, `windows`", "any", false},
	"AuctionRequest.sandboxed":      {"whether workloads run in a sandbox", "either", false},
	"AuctionRequest.tags":           {"tags that the node must have; values are compared without regard to case", "none", false},
	"AuctionRequest.workload_types": {"types that the node must run, all of them", "none", false},
	"AuctionRequest.min_sandbox":    {"the weakest level that will do", "any", true},
	"AuctionRequest.memory_mib":     {"memory that must be available on the node's machine", "0", true},
	"AuctionRequest.explain":        {"nodes that do not bid answer too, and say why", "false", true},

	"AuctionResponse.bid":     {"false if the node would refuse; version 1 nodes leave it out and always bid", "", true},
	"AuctionResponse.reasons": {"why it does not bid, a sentence each", "", true},

	"WorkloadPingResponse.node_id":          {"the node's id", "", false},
	"WorkloadPingResponse.target_xkey":      {"as in PingResponse", "", false},
	"WorkloadPingResponse.version":          {"as in PingResponse", "", false},
	"WorkloadPingResponse.tags":             {"as in PingResponse", "", false},
	"WorkloadPingResponse.uptime":           {"as in PingResponse", "", false},
	"WorkloadPingResponse.running_machines": {"the workloads that match", "", false},

	"WorkloadPing.id":        {"the workload's id", "", false},
	"WorkloadPing.namespace": {"its namespace", "", false},
	"WorkloadPing.name":      {"its name", "", false},
	"WorkloadPing.type":      {"its type", "", false},

	"InfoResponse.version":                  {"as in PingResponse", "", false},
	"InfoResponse.uptime":                   {"as in PingResponse", "", false},
	"InfoResponse.public_xkey":              {"as `target_xkey` in PingResponse", "", false},
	"InfoResponse.tags":                     {"as in PingResponse", "", false},
	"InfoResponse.memory":                   {"the machine's memory, where the system tells it", "", false},
	"InfoResponse.available_agents":         {"agents that wait for a workload", "", true},
	"InfoResponse.machines":                 {"the workloads of the namespace, oldest first; `[]` if there are none. Those that ended by themselves remain for a while", "", false},
	"InfoResponse.supported_workload_types": {"types that the node runs", "", false},

	"MemoryInfo.total":     {"kB", "", false},
	"MemoryInfo.free":      {"kB; 0 where the system does not tell it", "", false},
	"MemoryInfo.available": {"kB, with what caches would give back; 0 where the system does not tell it", "", false},

	"MachineInfo.id":        {"the workload's id", "", false},
	"MachineInfo.healthy":   {"whether its state is `running`", "", false},
	"MachineInfo.uptime":    {"since it was deployed", "", false},
	"MachineInfo.namespace": {"its namespace", "", false},
	"MachineInfo.workload":  {"what it is", "", false},
	"MachineInfo.state":     {"where it is in its life", "", true},
	"MachineInfo.sandbox":   {"how it is isolated", "", true},
	"MachineInfo.restarts":  {"starts after the first", "", true},
	"MachineInfo.reason":    {"why it came into its state", "", true},
	"MachineInfo.triggers":  {"a function's trigger subjects", "", true},
	"MachineInfo.limits":    {"what it may take of the machine, as far as the node can hold it to that", "", true},
	"MachineInfo.calls":     {"the calls of a function", "", true},

	"Limits.memory_mib": {"MiB of memory, of agent and workload together", "", true},
	"Limits.cpus":       {"processor time: 1.5 is one and a half processors", "", true},
	"Limits.pids":       {"processes and threads", "", true},
	"Limits.open_files": {"open files of each process", "", true},
	"Limits.disk_mib":   {"MiB of all that is written inside", "", true},

	"CallStats.total":        {"calls that were answered since the function was deployed on the node, also those that failed", "", true},
	"CallStats.errors":       {"calls of these that failed", "", true},
	"CallStats.refused":      {"of the errors, calls that were refused because too many others waited", "", true},
	"CallStats.in_flight":    {"calls that run or wait now", "", true},
	"CallStats.p50_nanos":    {"half of the calls were answered faster, from their arrival at the node on, within 5 %, without those that were refused; 0 before the first", "", true},
	"CallStats.p99_nanos":    {"99 of 100 calls were answered faster, as `p50_nanos`", "", true},
	"CallStats.memory_bytes": {"memory of the function's agent when it was last reported", "", true},

	"WorkloadSummary.id":          {"the workload's id", "", true},
	"WorkloadSummary.name":        {"its name", "", false},
	"WorkloadSummary.description": {"as it was deployed", "", false},
	"WorkloadSummary.essential":   {"as it was deployed", "", true},
	"WorkloadSummary.runtime":     {"since the program was last started: `8m47s`; `0s` while it does not run", "", false},
	"WorkloadSummary.type":        {"its type", "", false},
	"WorkloadSummary.restart":     {"the policy that holds", "", true},
	"WorkloadSummary.hash":        {"sha256 of the artifact in hex; empty before it is known", "", false},

	"LameDuckRequest.jwt":        {"[claims](#claims) with the node's id as subject; required by nodes with `valid_issuers`", "none", true},
	"LameDuckRequest.exit_after": {"when the node ends: a time such as `30s`, after which it ends at the latest, or `when-idle`, once no call is under way and no service or job runs", "it does not", true},

	"LameDuckResponse.node_id": {"the node's id", "", false},
	"LameDuckResponse.success": {"true, also when it was in lame duck mode before", "", false},

	"LogsRequest.workload": {"id or name of a workload", "all of the namespace", true},
	"LogsRequest.lines":    {"the last so many lines are answered", "100", true},

	"LogsResponse.lines": {"oldest first", "", true},

	"LogLine.workload": {"name of the workload", "", true},

	"LogRecord.text":   {"the line, without its end; bytes that are not UTF-8 are replaced", "", false},
	"LogRecord.level":  {"-4 debug, 0 info, 4 warning, 8 error", "", false},
	"LogRecord.id":     {"the workload's id; in a node's log the node's", "", false},
	"LogRecord.stream": {"`stdout`, `stderr`, or `nex` for what node and agent say about the workload", "", true},
	"LogRecord.time":   {"when the line was written", "", true},
	"LogRecord.seq":    {"counts the lines of one run of a workload from 1; a gap means lost lines", "", true},
	"LogRecord.run":    {"names the run that `seq` counts in; a line may arrive again after an outage, with the same `run` and `seq`", "", true},

	"Event.specversion":     {"`1.0`", "", false},
	"Event.id":              {"unique", "", false},
	"Event.source":          {"id of the node", "", false},
	"Event.type":            {"as in the subject", "", false},
	"Event.time":            {"in UTC", "", false},
	"Event.datacontenttype": {"`application/json`", "", false},
	"Event.namespace":       {"as in the subject; an extension attribute", "", true},
	"Event.data":            {"see the type", "", false},

	"NodeStarted.version": {"version of the node's program", "", false},
	"NodeStarted.id":      {"the node's id", "", false},
	"NodeStarted.tags":    {"the node's [tags](#tags)", "", false},

	"NodeStopped.id":       {"the node's id", "", false},
	"NodeStopped.graceful": {"whether it was asked to", "", false},

	"NodeEnteredLameDuck.version": {"version of the node's program", "", false},
	"NodeEnteredLameDuck.id":      {"the node's id", "", false},

	"Heartbeat.version":          {"version of the node's program", "", false},
	"Heartbeat.node_id":          {"the node's id", "", false},
	"Heartbeat.nexus":            {"as in PingResponse", "", false},
	"Heartbeat.uptime":           {"as in PingResponse", "", false},
	"Heartbeat.tags":             {"as in PingResponse", "", false},
	"Heartbeat.running_machines": {"as in PingResponse", "", false},

	"WorkloadDeployed.workload_name": {"the workload's name", "", false},
	"WorkloadDeployed.code":          {"0", "", false},
	"WorkloadDeployed.id":            {"the workload's id", "", true},

	"WorkloadDeployed.sandbox": {"how it is isolated", "", true},

	"WorkloadUndeployed.workload_name": {"the workload's name", "", false},
	"WorkloadUndeployed.code":          {"exit status; -1 when a signal ended the program, 0 when none was running", "", false},
	"WorkloadUndeployed.message":       {"why, for people", "", false},
	"WorkloadUndeployed.id":            {"the workload's id", "", true},
	"WorkloadUndeployed.reason":        {"the final [state](#state)", "", true},

	"WorkloadStateChanged.id":     {"the workload's id", "", true},
	"WorkloadStateChanged.name":   {"the workload's name", "", true},
	"WorkloadStateChanged.from":   {"empty for a new workload", "", true},
	"WorkloadStateChanged.to":     {"the state it is in now", "", true},
	"WorkloadStateChanged.reason": {"why, for people", "", true},
	"WorkloadStateChanged.exit":   {"how the program ended, when that was the cause", "", true},

	"FunctionExecuted.workload_name":   {"the function's name", "", false},
	"FunctionExecuted.trigger_subject": {"the subject of the message, without wildcards", "", false},
	"FunctionExecuted.elapsed_nanos":   {"how long the call took", "", false},
	"FunctionExecuted.namespace":       {"the function's namespace", "", false},
	"FunctionExecuted.error":           {"why it failed", "", false},
	"FunctionExecuted.id":              {"the workload's id", "", true},
	"FunctionExecuted.count":           {"how many calls that ended the same way the event stands for, of which it describes the last; absent means 1", "", true},
	"FunctionExecuted.window_ms":       {"the time within which `count` calls ended", "", true},

	"Exit.code":   {"exit status; -1 when a signal ended the program", "", true},
	"Exit.signal": {"the signal, such as `SIGKILL`", "", true},
	"Exit.oom":    {"memory ran out: the kernel killed the program, or the function was over its bound", "", true},
}
