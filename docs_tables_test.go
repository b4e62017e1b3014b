package nex_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
)

// operations are the rows of the table of operations: subjects without and with what is optional.
var operations = []struct {
	at       []nex.Request
	body     string
	data     string
	answered string
	added    bool
}{
	{[]nex.Request{{Op: nex.OpPing}, {Op: nex.OpPing, Node: "<node>"}}, "", "PingResponse", "every node, or the named one", false},
	{[]nex.Request{{Op: nex.OpAuction}}, "AuctionRequest, or empty", "AuctionResponse", "nodes that bid", false},
	{[]nex.Request{{Op: nex.OpWorkloadPing, Namespace: "<ns>"}, {Op: nex.OpWorkloadPing, Namespace: "<ns>", Workload: "<workload>"}}, "", "WorkloadPingResponse", "nodes with a workload that matches", false},
	{[]nex.Request{{Op: nex.OpInfo, Namespace: "<ns>", Node: "<node>"}}, "", "InfoResponse", "the named node", false},
	{[]nex.Request{{Op: nex.OpDeploy, Namespace: "<ns>", Node: "<node>"}}, "DeployRequest", "RunResponse", "the named node", false},
	{[]nex.Request{{Op: nex.OpStop, Namespace: "<ns>", Node: "<node>"}}, "StopRequest", "StopResponse", "the named node", false},
	{[]nex.Request{{Op: nex.OpLogs, Namespace: "<ns>", Node: "<node>"}}, "LogsRequest, or empty", "LogsResponse", "the named node", true},
	{[]nex.Request{{Op: nex.OpLameDuck, Node: "<node>"}}, "LameDuckRequest, or empty", "LameDuckResponse", "the named node", false},
}

func operationTable(t testing.TB) string {
	t.Helper()
	undocumented := constants(t, "Op")
	var b strings.Builder
	b.WriteString("| subject | body | type of the reply | its data | who answers |\n|---|---|---|---|---|\n")
	for _, o := range operations {
		var subjects []string
		for _, r := range o.at {
			subjects = append(subjects, "`"+r.Subject()+"`")
			for name, value := range undocumented {
				if value == string(r.Op) {
					delete(undocumented, name)
				}
			}
		}
		if o.added {
			subjects[0] += " **+**"
		}
		body := "empty"
		if o.body != "" {
			body = linked(o.body)
		}
		fmt.Fprintf(&b, "| %s | %s | `%s` | %s | %s |\n",
			strings.Join(subjects, ", "), body, nex.ResponseType(o.at[0].Op), linked(o.data), o.answered)
	}
	for name := range undocumented {
		t.Errorf("%s is missing in the table of operations", name)
	}
	return b.String()
}

// linked makes a link of the name of a type at the beginning of a text.
func linked(text string) string {
	name, rest, _ := strings.Cut(text, ",")
	if rest != "" {
		rest = "," + rest
	}
	return "[" + name + "](#" + strings.ToLower(name) + ")" + rest
}

// limitTable lists the bounds that a client can run into. Those that are no constants of the package
// are held by the tests of its decoders, and those of claims by the tests of internal/claims.
func limitTable() string {
	var b strings.Builder
	b.WriteString("| what | bound |\n|---|---|\n")
	for _, l := range []struct {
		what  string
		bound any
	}{
		{"body of a request", bytesText(nex.MaxRequestBytes)},
		{"workload name, namespace, workload id", bytesText(nex.MaxNameLength)},
		{"`argv`", fmt.Sprintf("%d entries of %s each", nex.MaxArgs, bytesText(maxArgument))},
		{"`description`", bytesText(nex.MaxDescription)},
		{"`trigger_subjects`", fmt.Sprintf("%d entries of %s each", nex.MaxTriggers, bytesText(maxSubject))},
		{"`max_concurrency`", nex.MaxConcurrency},
		{"`call_timeout_ms`", fmt.Sprintf("%d (%v)", nex.MaxCallTimeoutMillis, nex.MaxCallTimeoutMillis*time.Millisecond)},
		{"`memory_mib`", fmt.Sprintf("%d to %d", nex.MinMemoryMiB, nex.MaxMemoryMiB)},
		{"`cpus`", fmt.Sprintf("%v to %v", nex.MinCPUs, nex.MaxCPUs)},
		{"`allow` and `deny` of `egress`", fmt.Sprintf("%d rules each", nex.MaxEgressRules)},
		{"`grace_ms`", fmt.Sprintf("%d (%v)", nex.MaxGraceMillis, nex.MaxGraceMillis*time.Millisecond)},
		{"`lines` of LOGS", nex.MaxLogLines},
		{"text of a log line", bytesText(nex.MaxLogLine) + "; longer ones arrive in pieces"},
		{"interval of heartbeats", nex.HeartbeatInterval},
	} {
		fmt.Fprintf(&b, "| %s | %v |\n", l.what, l.bound)
	}
	return b.String()
}

func bytesText(n int) string {
	switch {
	case n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}
