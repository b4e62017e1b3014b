package escape_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What is attempted. NODE stands for the id of the node that is attacked. The verbs are those of
// testdata/intruder/bus.go and of the functions in testdata.

// onControl are attempts to hear, and to be heard, in the control account. Who has its key succeeds.
var onControl = slices.Concat(
	verb("subscribe", ">", "*.>", "*.*.*.*", "$NEX.>", "$NEX.*", "$NEX.PING", "$NEX.INFO.>", "$NEX.DEPLOY.>", "$NEX.STOP.>",
		"$NEX.events.>", "$NEX.logs.>", "$SRV.>", "$KV.>", "_INBOX.>"),
	verb("queue", ">", "$NEX.>", "$NEX.PING", "$NEX.DEPLOY.>", "$NEX.events.>"),
	verb("stream", "$NEX.>"),
	verb("publish", "$NEX.PING", "$NEX.PING.NODE", "$NEX.AUCTION", "$NEX.WPING.default", "$NEX.INFO.default.NODE", "$NEX.LOGS.default.NODE",
		"$NEX.DEPLOY.default.NODE", "$NEX.STOP.default.NODE", "$NEX.LAMEDUCK.nobody", "$NEX.events.system.node_stopped",
		"$NEX.events.default.workload_deployed", "$NEX.logs.default.NODE.w.id", "$NEX.logs.system.NODE.stdout"),
	verb("request", "$NEX.PING", "$NEX.PING.NODE", "$NEX.AUCTION", "$NEX.WPING.default", "$NEX.INFO.default.NODE", "$NEX.LOGS.default.NODE",
		"$NEX.DEPLOY.default.NODE", "$NEX.STOP.default.NODE", "$NEX.LAMEDUCK.NODE", "$SRV.PING.nex-node", "$SRV.INFO.nex-node", "$SRV.STATS.nex-node"),
	// The control account has a bucket and an object store of that name.
	verb("request", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.INFO.KV_secrets", "$JS.API.STREAM.INFO.OBJ_secrets", "$JS.API.STREAM.MSG.GET.KV_secrets",
		"$JS.API.DIRECT.GET.KV_secrets.$KV.secrets.token", "$JS.API.CONSUMER.LIST.KV_secrets", "$KV.secrets.token"),
	verb("trace", "$NEX.events.default.forged"),
	verb("answer", "$NEX.events.default.forged"),
	verb("deliver", deliverySubject),
	verb("republish", "$NEX.events.default.forged"),
)

// byMappings are such by the mappings that the accounts of the second node's server have.
var byMappings = slices.Concat(
	verb("publish", "mapped.PING", "mapped.LAMEDUCK.nobody", "mapped.events.default.forged"),
	verb("request", "mapped.PING", "mapped.INFO.default.NODE"),
)

// onSystem are such about the system account, where its users succeed.
var onSystem = slices.Concat(
	verb("subscribe", "$SYS.>", "$SYS.ACCOUNT.>"),
	verb("queue", "$SYS.>"),
	verb("request", "$SYS.REQ.SERVER.PING", "$SYS.REQ.SERVER.PING.VARZ", "$SYS.REQ.SERVER.PING.ACCOUNTZ", "$SYS.REQ.ACCOUNT.NEX.CONNZ",
		"$SYS.REQ.ACCOUNT.NEX.SUBSZ", "$SYS.REQ.ACCOUNT.NEX.INFO"),
)

// lent are subjects on which others are to answer with the rights that they have.
var lent = []string{
	"$NEX.LAMEDUCK.NODE", "$NEX.events.default.forged", "$NEX.logs.default.NODE.w.id", "$JS.API.STREAM.DELETE.KV_secrets", "$KV.secrets.token",
	"$O.secrets.C.x", "$SRV.PING.nex-node", "$SYS.REQ.SERVER.PING",
}

// onReplies are attempts to have a function, and the node for it, answer there.
var onReplies = slices.Concat(verb("call", lent...), verb("list", lent...))

// reserved are subjects that functions have no use of, by whatever means.
var reserved = []string{
	"$NEX.PING", "$NEX.PING.NODE", "$NEX.AUCTION", "$NEX.DEPLOY.default.NODE", "$NEX.STOP.default.NODE", "$NEX.LAMEDUCK.NODE",
	"$NEX.events.default.workload_deployed", "$NEX.logs.default.NODE.w.id", "$SYS.REQ.SERVER.PING", "$SYS.REQ.ACCOUNT.NEX.CONNZ",
	"$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.DELETE.KV_nex-default_-victim", "$JS.API.STREAM.MSG.GET.KV_nex-default_-victim",
	"$KV.nex-default_-victim.token", "$O.nex-default_-victim.C.x", "$SRV.PING", "$SRV.PING.nex-node", "_INBOX.x",
	">", "$NEX.>", "*.PING", "$NEX.PING _INBOX.x", "$NEX.PING\r\nPUB x 0", "$NEX.PING\t", " $NEX.PING", "$NEX..PING",
}

// ofFunctions are what a function can attempt by its host services.
var ofFunctions = slices.Concat(
	verb("publish", reserved...), verb("request", reserved...), verb("many", reserved...),
	// On the internal server, which these do not lead to.
	verb("request", "hostint.AGENT.handshake", "hostint.AGENT.rpc.kv.get", "agentint.AGENT.undeploy", "agentint.AGENT.ping"),
	verb("many", "hostint.AGENT.handshake", "agentint.AGENT.ping"),
	verb("trace", "Nats-Trace-Dest", "nats-trace-dest", "NATS-TRACE-DEST"), // headers that are to have reports sent to control
	verb("read", "token", "../nex-default_-victim/token", "$KV.nex-default_-victim.token", "nex-default_-victim.token", "token\r\nPUB x 0", ">", "*", ".token", "token."),
	verb("write", "../nex-default_-victim/token ", "$KV.nex-default_-victim.token", "token\r\nPUB x 0", ">", "*", ".token", "token.", ""),
	verb("fetch", "token", "../nex-default_-victim/token", "nex-default_-victim.token", "$O.nex-default_-victim.C.x", ">"),
)

// asTriggers are subjects that no function may have.
var asTriggers = verb("trigger", ">", "*.>", "*.*", "*.PING", "*.*.*.*", "$NEX.>", "$NEX.PING", "$NEX.*.default.NODE", "$NEX.DEPLOY.>", "$NEX.events.>",
	"$NEX.logs.>", "$SYS.>", "$SYS.REQ.SERVER.PING", "$JS.>", "$JS.API.>", "$JS.ACK.>", "$KV.>", "$KV.nex-default_-victim.>", "$O.>", "$SRV.>", "$SRV.PING",
	"_INBOX.>", "_INBOX.*.x")

// byAgents are what an agent attempts on the internal server: SELF is its id, and OTHER that of another.
var byAgents = slices.Concat(
	verb("subscribe", ">", "*", "*.>", "hostint.>", "hostint.SELF.>", "hostint.OTHER.>", "hostint.*.logs", "agentint.>", "agentint.*.deploy", "agentint.OTHER.>",
		"agentint.OTHER.deploy", "_INBOX.>", "_INBOX.*", "_INBOX.OTHER.>", "_R_.>", "$NEX.>", "$SYS.>", "$JS.API.>"),
	verb("queue", "hostint.SELF.>", "hostint.OTHER.>", "agentint.OTHER.>", ">"),
	verb("publish", "hostint.OTHER.handshake", "hostint.OTHER.logs", "hostint.OTHER.events.exited", "hostint.OTHER.rpc.kv.get", "agentint.SELF.undeploy", "agentint.OTHER.deploy",
		"agentint.OTHER.undeploy", "_INBOX.SELF.x", "_INBOX.OTHER.x", "$NEX.PING", "$SYS.REQ.SERVER.PING", "$SYS.REQ.ACCOUNT.agent-1.CONNZ", "$JS.API.INFO"),
)

// byObservers are what a user of the control account attempts who may only ask; the node is to be no help.
var byObservers = slices.Concat(
	verb("publish", "$NEX.LAMEDUCK.NODE", "$NEX.DEPLOY.default.NODE", "$NEX.STOP.default.NODE", "$NEX.events.default.forged", "$JS.API.STREAM.DELETE.KV_secrets", "$KV.secrets.token"),
	verb("subscribe", "$NEX.>", ">", "$NEX.events.>", "$NEX.logs.>"),
)

// asked are what such a user may ask.
var asked = []string{"$NEX.PING", "$NEX.PING.NODE", "$NEX.AUCTION", "$NEX.INFO.default.NODE", "$NEX.LOGS.default.NODE"}

// verb makes attempts.
func verb(verb string, subjects ...string) []string {
	var list []string
	for _, s := range subjects {
		list = append(list, verb+" "+s)
	}
	return list
}

// naming puts ids in the place of what stands for them.
func naming(attempts []string, ids ...string) []string {
	r := strings.NewReplacer(ids...)
	var list []string
	for _, a := range attempts {
		list = append(list, r.Replace(a))
	}
	return list
}

// ledger has what was attempted, by whom, and how it was refused.
type ledger struct {
	rows []*row
}

type row struct {
	from  string
	lines []string
}

// refused notes attempts, all of which must have been made, and refused.
func (l *ledger) refused(t *testing.T, from string, want []string, o outcome) {
	t.Helper()
	o.wantRefused(t)
	made := map[string]bool{}
	for _, a := range slices.Concat(o.refused, o.escaped) {
		made[unquote(a)] = true
	}
	for _, a := range want {
		if !made[a] {
			t.Errorf("%s: %q was not attempted", from, a)
		}
	}
	if len(made) != len(want) {
		t.Errorf("%s: %d attempts were made, want the %d of the list:\n%q", from, len(made), len(want), o.refused)
	}
	l.note(from, o.refused...)
}

// unquote returns the name of an attempt.
func unquote(line string) string {
	name, _, _ := strings.Cut(line, ": ")
	return name
}

var (
	nodeID = regexp.MustCompile(`\bN[A-Z2-7]{55}\b`)
	// mostShown bounds a line.
	mostShown = 200
)

// note notes attempts that were refused.
func (l *ledger) note(from string, lines ...string) {
	i := slices.IndexFunc(l.rows, func(r *row) bool { return r.from == from })
	if i < 0 {
		i, l.rows = len(l.rows), append(l.rows, &row{from: from})
	}
	for _, line := range lines {
		line = nodeID.ReplaceAllString(line, "<node>")
		l.rows[i].lines = append(l.rows[i].lines, line[:min(len(line), mostShown)])
	}
}

// log lists all of it.
func (l *ledger) log(t *testing.T) {
	total := 0
	for _, r := range l.rows {
		total += len(r.lines)
		t.Logf("from %s, %d attempts were refused:\n\t%s", r.from, len(r.lines), strings.Join(r.lines, "\n\t"))
	}
	t.Logf("%d attempts in all", total)
}
