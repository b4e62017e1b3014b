package nex

import "strings"

// Prefix is the first token of every control subject.
const Prefix = "$NEX"

// Op is an operation of the control API, the second token of its subject.
type Op string

// The operations.
const (
	OpPing         Op = "PING"     // $NEX.PING[.<node>]
	OpAuction      Op = "AUCTION"  // $NEX.AUCTION
	OpWorkloadPing Op = "WPING"    // $NEX.WPING.<ns>[.<workload id or name>]
	OpInfo         Op = "INFO"     // $NEX.INFO.<ns>.<node>
	OpDeploy       Op = "DEPLOY"   // $NEX.DEPLOY.<ns>.<node>
	OpStop         Op = "STOP"     // $NEX.STOP.<ns>.<node>
	OpLogs         Op = "LOGS"     // $NEX.LOGS.<ns>.<node>
	OpLameDuck     Op = "LAMEDUCK" // $NEX.LAMEDUCK.<node>
)

// Request is a parsed operation subject. Fields that the operation does not have are empty.
type Request struct {
	Op        Op
	Namespace string
	Node      string
	Workload  string // id or name, of WPING only
}

// Subject returns the subject of the request. It does not check the tokens; [ParseRequest] does.
func (r Request) Subject() string {
	parts := append(make([]string, 0, 5), Prefix, string(r.Op))
	for _, p := range []string{r.Namespace, r.Node, r.Workload} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, ".")
}

// ParseRequest parses the subject of an operation and checks namespace and node. The error is an
// [Error] with code [CodeInvalidNamespace] or [CodeInvalidRequest].
func ParseRequest(subject string) (Request, error) {
	bad := func() (Request, error) {
		return Request{}, Errorf(CodeInvalidRequest, "subject %q is no operation of the control API", clip(subject))
	}
	t := strings.Split(subject, ".")
	if len(t) < 2 || t[0] != Prefix {
		return bad()
	}
	r, args := Request{Op: Op(t[1])}, t[2:]
	ofNode, inNamespace := false, false
	switch {
	case r.Op == OpAuction && len(args) == 0, r.Op == OpPing && len(args) == 0:
	case (r.Op == OpPing || r.Op == OpLameDuck) && len(args) == 1:
		r.Node, ofNode = args[0], true
	case r.Op == OpWorkloadPing && len(args) == 1:
		r.Namespace, inNamespace = args[0], true
	case r.Op == OpWorkloadPing && len(args) == 2:
		r.Namespace, r.Workload, inNamespace = args[0], args[1], true
		if checkToken(r.Workload) != nil {
			return bad()
		}
	case (r.Op == OpInfo || r.Op == OpDeploy || r.Op == OpStop || r.Op == OpLogs) && len(args) == 2:
		r.Namespace, r.Node, inNamespace, ofNode = args[0], args[1], true, true
	default:
		return bad()
	}
	if ofNode && !IsNodeID(r.Node) {
		return Request{}, Errorf(CodeInvalidRequest, "%q is not a node id", clip(r.Node))
	}
	if inNamespace {
		if err := checkNamespaceToken(r.Namespace); err != nil {
			return Request{}, err
		}
	}
	return r, nil
}

// EventSubject is the subject on which an event of a namespace is published. "*" as namespace or
// type gives a subject to subscribe to.
func EventSubject(namespace string, t EventType) string {
	return Prefix + ".events." + namespace + "." + string(t)
}

// LogSubject is the subject on which a workload's log lines are published. "*" gives a subject to
// subscribe to.
func LogSubject(namespace, node, workload, id string) string {
	return Prefix + ".logs." + namespace + "." + node + "." + workload + "." + id
}

// NodeLogSubject is the subject of a node's own log; stream is stdout or stderr.
func NodeLogSubject(node, stream string) string {
	return Prefix + ".logs." + SystemNamespace + "." + node + "." + stream
}

// LogSource says where a log line came from, as its subject tells it.
type LogSource struct {
	Namespace string
	Node      string
	Workload  string // name; "" for a node's own log
	ID        string // workload id, or the stream of a node's own log
}

// ParseLogSubject parses what [LogSubject] and [NodeLogSubject] build.
func ParseLogSubject(subject string) (LogSource, bool) {
	t := strings.Split(subject, ".")
	if len(t) < 5 || t[0] != Prefix || t[1] != "logs" {
		return LogSource{}, false
	}
	for _, token := range t[2:] {
		if checkToken(token) != nil {
			return LogSource{}, false
		}
	}
	switch {
	case len(t) == 6:
		return LogSource{Namespace: t[2], Node: t[3], Workload: t[4], ID: t[5]}, true
	case len(t) == 5 && t[2] == SystemNamespace:
		return LogSource{Namespace: t[2], Node: t[3], ID: t[4]}, true
	}
	return LogSource{}, false
}
