package nex_test

import (
	"strings"
	"testing"

	nex "github.com/nex-engine/nex"
)

func TestRequestSubject(t *testing.T) {
	tests := []struct {
		request nex.Request
		subject string
	}{
		{nex.Request{Op: nex.OpPing}, "$NEX.PING"},
		{nex.Request{Op: nex.OpPing, Node: nodeID}, "$NEX.PING." + nodeID},
		{nex.Request{Op: nex.OpAuction}, "$NEX.AUCTION"},
		{nex.Request{Op: nex.OpWorkloadPing, Namespace: "default"}, "$NEX.WPING.default"},
		{nex.Request{Op: nex.OpWorkloadPing, Namespace: "default", Workload: "echo"}, "$NEX.WPING.default.echo"},
		{nex.Request{Op: nex.OpInfo, Namespace: "default", Node: nodeID}, "$NEX.INFO.default." + nodeID},
		{nex.Request{Op: nex.OpInfo, Namespace: "system", Node: nodeID}, "$NEX.INFO.system." + nodeID},
		{nex.Request{Op: nex.OpDeploy, Namespace: "default", Node: nodeID}, "$NEX.DEPLOY.default." + nodeID},
		{nex.Request{Op: nex.OpStop, Namespace: "default", Node: nodeID}, "$NEX.STOP.default." + nodeID},
		{nex.Request{Op: nex.OpLogs, Namespace: "default", Node: nodeID}, "$NEX.LOGS.default." + nodeID},
		{nex.Request{Op: nex.OpLameDuck, Node: nodeID}, "$NEX.LAMEDUCK." + nodeID},
	}
	for _, tt := range tests {
		t.Run(tt.subject, func(t *testing.T) {
			if got := tt.request.Subject(); got != tt.subject {
				t.Errorf("Subject = %s, want %s", got, tt.subject)
			}
			got, err := nex.ParseRequest(tt.subject)
			if err != nil || got != tt.request {
				t.Errorf("ParseRequest = %+v, %v, want %+v", got, err, tt.request)
			}
		})
	}
}

func TestParseRequestRefuses(t *testing.T) {
	long := strings.Repeat("a", nex.MaxNameLength+1)
	tests := []struct {
		name, subject string
		code          nex.Code
		says          string
	}{
		{"empty", "", nex.CodeInvalidRequest, "no operation"},
		{"prefix alone", "$NEX", nex.CodeInvalidRequest, "no operation"},
		{"other prefix", "$JS.PING", nex.CodeInvalidRequest, "no operation"},
		{"empty operation", "$NEX.", nex.CodeInvalidRequest, "no operation"},
		{"unknown operation", "$NEX.DANCE", nex.CodeInvalidRequest, "no operation"},
		{"lower case", "$NEX.ping", nex.CodeInvalidRequest, "no operation"},
		{"event", "$NEX.events.default.heartbeat", nex.CodeInvalidRequest, "no operation"},
		{"too few tokens", "$NEX.DEPLOY.default", nex.CodeInvalidRequest, "no operation"},
		{"too many tokens", "$NEX.DEPLOY.default." + nodeID + ".x", nex.CodeInvalidRequest, "no operation"},
		{"auction of a node", "$NEX.AUCTION." + nodeID, nex.CodeInvalidRequest, "no operation"},
		{"lame duck without node", "$NEX.LAMEDUCK", nex.CodeInvalidRequest, "no operation"},
		{"workload ping without namespace", "$NEX.WPING", nex.CodeInvalidRequest, "no operation"},
		{"ping of an empty node", "$NEX.PING.", nex.CodeInvalidRequest, "not a node id"},
		{"lame duck of an empty node", "$NEX.LAMEDUCK.", nex.CodeInvalidRequest, "not a node id"},
		{"info of an empty node", "$NEX.INFO.default.", nex.CodeInvalidRequest, "not a node id"},
		{"ping of no node", "$NEX.PING.me", nex.CodeInvalidRequest, "not a node id"},
		{"wildcard node", "$NEX.INFO.default.*", nex.CodeInvalidRequest, "not a node id"},
		{"account key", "$NEX.INFO.default.A" + nodeID[1:], nex.CodeInvalidRequest, "not a node id"},
		{"empty namespace", "$NEX.INFO.." + nodeID, nex.CodeInvalidNamespace, "it is empty"},
		{"empty namespace of a workload ping", "$NEX.WPING.", nex.CodeInvalidNamespace, "it is empty"},
		{"wildcard namespace", "$NEX.WPING.*", nex.CodeInvalidNamespace, "use only"},
		{"long namespace", "$NEX.WPING." + long, nex.CodeInvalidNamespace, "129"},
		{"unicode namespace", "$NEX.WPING.größe", nex.CodeInvalidNamespace, "use only"},
		{"empty workload", "$NEX.WPING.default.", nex.CodeInvalidRequest, "no operation"},
		{"wildcard workload", "$NEX.WPING.default.>", nex.CodeInvalidRequest, "no operation"},
		{"long workload", "$NEX.WPING.default." + long, nex.CodeInvalidRequest, "no operation"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := nex.ParseRequest(tt.subject)
			wantRefusal(t, err, tt.code, tt.says)
			if got != (nex.Request{}) {
				t.Errorf("request = %+v besides the error", got)
			}
		})
	}
}

func TestLogSubjects(t *testing.T) {
	tests := []struct {
		subject string
		source  nex.LogSource
	}{
		{nex.LogSubject("default", nodeID, "echo", "id1"), nex.LogSource{Namespace: "default", Node: nodeID, Workload: "echo", ID: "id1"}},
		{nex.NodeLogSubject(nodeID, nex.StreamStderr), nex.LogSource{Namespace: "system", Node: nodeID, ID: "stderr"}},
	}
	for _, tt := range tests {
		t.Run(tt.subject, func(t *testing.T) {
			if got, ok := nex.ParseLogSubject(tt.subject); !ok || got != tt.source {
				t.Errorf("ParseLogSubject = %+v, %v, want %+v", got, ok, tt.source)
			}
		})
	}
}

func TestParseLogSubjectRefuses(t *testing.T) {
	tests := []struct{ name, subject string }{
		{"empty", ""},
		{"other prefix", "$JS.logs.default.N.echo.id"},
		{"event", "$NEX.events.default.N.echo.id"},
		{"too short", "$NEX.logs.system.N"},
		{"too long", "$NEX.logs.default.N.echo.id.x"},
		{"node log outside system", "$NEX.logs.default.N.stdout"},
		{"empty token", "$NEX.logs.default..echo.id"},
		{"wildcard", "$NEX.logs.default.N.*.id"},
		{"full wildcard", "$NEX.logs.default.N.echo.>"},
		{"long token", "$NEX.logs.default.N.echo." + strings.Repeat("a", nex.MaxNameLength+1)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := nex.ParseLogSubject(tt.subject); ok || got != (nex.LogSource{}) {
				t.Errorf("ParseLogSubject = %+v, %v, want nothing", got, ok)
			}
		})
	}
}
